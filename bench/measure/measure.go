// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package measure is what all benchmarks share: collect Samples of both sides in turn, make a Row of their medians, Print the table.
package measure

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// Samples are figures of one side of a comparison.
type Samples []float64

// Add appends a duration in seconds.
func (s *Samples) Add(d time.Duration) { *s = append(*s, d.Seconds()) }

// Median returns the middle value; 0 without samples.
func (s Samples) Median() float64 { return s.quantile(0.5) }

// P99 returns the value that one in a hundred exceeds; 0 without samples.
func (s Samples) P99() float64 { return s.quantile(0.99) }

func (s Samples) quantile(q float64) float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	return sorted[int(q*float64(len(sorted)))]
}

// Row is one line of the table.
type Row struct {
	Work   string
	Ours   string
	Beside string
	Ratio  float64 // of ours to the other side, or to the limit
	Target Target
}

// Target is a bound of a ratio.
type Target struct {
	Bound   float64
	AtLeast bool // else: at most
}

// AtMost is the target ratio <= bound.
func AtMost(bound float64) Target { return Target{Bound: bound} }

// AtLeast is the target ratio >= bound.
func AtLeast(bound float64) Target { return Target{Bound: bound, AtLeast: true} }

// Met says whether a ratio meets the target.
func (t Target) Met(ratio float64) bool {
	if t.AtLeast {
		return ratio >= t.Bound
	}
	return ratio <= t.Bound
}

// String renders the target.
func (t Target) String() string {
	if t.AtLeast {
		return fmt.Sprintf(">= %g", t.Bound)
	}
	return fmt.Sprintf("<= %g", t.Bound)
}

// OK says whether the row meets its target.
func (r Row) OK() bool { return r.Target.Met(r.Ratio) }

// Compare makes a row of the medians of two sides, rendered by format. When both have as many samples, taken in turn, the ratio is the median
// of the ratios of neighbours: what slows the machine down for a while slows both.
func Compare(work string, ours Samples, peer string, theirs Samples, format func(float64) string, target Target) Row {
	ratio := ours.Median() / theirs.Median()
	if len(ours) == len(theirs) {
		ratios := make(Samples, len(ours))
		for i := range ours {
			ratios[i] = ours[i] / theirs[i]
		}
		ratio = ratios.Median()
	}
	return Row{Work: work, Ours: format(ours.Median()), Beside: peer + " " + format(theirs.Median()), Ratio: ratio, Target: target}
}

// Tail makes a row of the slowest in a hundred of each side.
func Tail(work string, ours Samples, peer string, theirs Samples, format func(float64) string, target Target) Row {
	return Row{Work: work + ", p99", Ours: format(ours.P99()), Beside: peer + " " + format(theirs.P99()), Ratio: ours.P99() / theirs.P99(), Target: target}
}

// Limit makes a row of a figure beside a fixed limit.
func Limit(work string, ours, limit float64, format func(float64) string) Row {
	return Row{Work: work, Ours: format(ours), Beside: "limit " + format(limit), Ratio: ours / limit, Target: AtMost(1)}
}

// Duration renders seconds.
func Duration(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	return d.Round(cmp.Or(d/1000, 1)).String()
}

// Rate renders a number a second.
func Rate(unit string) func(float64) string {
	return func(v float64) string {
		switch {
		case v >= 1e9:
			return fmt.Sprintf("%.2f G%s/s", v/1e9, unit)
		case v >= 1e6:
			return fmt.Sprintf("%.2f M%s/s", v/1e6, unit)
		case v >= 1e4:
			return fmt.Sprintf("%.1f k%s/s", v/1e3, unit)
		}
		return fmt.Sprintf("%.0f %s/s", v, unit)
	}
}

// Megabytes renders bytes.
func Megabytes(bytes float64) string { return fmt.Sprintf("%.1f MB", bytes/1e6) }

// Print writes the table and returns how many rows miss their target.
func Print(w io.Writer, rows []Row) (missed int, err error) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, err = fmt.Fprintln(tw, "work\tours\tbeside\tratio\ttarget\tok?")
	for _, r := range rows {
		ok := "yes"
		if !r.OK() {
			ok, missed = "NO", missed+1
		}
		if err == nil {
			_, err = fmt.Fprintf(tw, "%s\t%s\t%s\t%.2g\t%s\t%s\n", r.Work, r.Ours, r.Beside, r.Ratio, r.Target, ok)
		}
	}
	return missed, errors.Join(err, tw.Flush())
}
