# Copyright 2026 The weft authors
# SPDX-License-Identifier: Apache-2.0
FROM scratch
COPY agnhost /
ENTRYPOINT ["/agnhost"]
CMD ["pause"]
