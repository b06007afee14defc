// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

// FelixFeatures force what the agent would otherwise detect.
type FelixFeatures struct {
	// FeatureDetectOverride turns probed kernel features on or off, as in "SNATFullyRandom=true,MASQFullyRandom=false"; an empty value leaves a feature to the probe.
	FeatureDetectOverride *string `json:"featureDetectOverride,omitempty" format:"keyValues"`
	// FeatureGates switches tech-preview features, as in "name=value,other=value".
	FeatureGates *string `json:"featureGates,omitempty" format:"gates"`
}

// FelixRuntime tunes the Go runtime of the agent.
type FelixRuntime struct {
	// GoGCThreshold is the garbage collector's target in percent, as GOGC; -1 turns collection off.
	GoGCThreshold *int `json:"goGCThreshold,omitempty" default:"40" min:"-1"`
	// GoMaxProcs is the number of CPUs used at once, as GOMAXPROCS; -1 lets the runtime decide.
	GoMaxProcs *int `json:"goMaxProcs,omitempty" default:"-1" min:"-1"`
	// GoMemoryLimitMB is the soft memory limit in MiB, as GOMEMLIMIT; -1 means none.
	GoMemoryLimitMB *int `json:"goMemoryLimitMB,omitempty" default:"-1" min:"-1"`
}

// FelixHealth sets up the health endpoints.
type FelixHealth struct {
	// HealthEnabled serves /liveness and /readiness over HTTP.
	HealthEnabled *bool `json:"healthEnabled,omitempty" default:"false"`
	// HealthHost is the address or host name the health endpoints bind to.
	HealthHost *string `json:"healthHost,omitempty" default:"localhost"`
	// HealthPort is their TCP port.
	HealthPort *int `json:"healthPort,omitempty" default:"9099" min:"0" max:"65535"`
	// HealthTimeoutOverrides replaces the time-outs of single watchdogs.
	HealthTimeoutOverrides []HealthTimeout `json:"healthTimeoutOverrides,omitzero"`
}

// FelixLogging says what is logged, by the agent and by Log rules.
type FelixLogging struct {
	// LogActionRateLimit limits log lines of Log rules, as in "10/second"; the units are second, minute, hour and day.
	LogActionRateLimit *string `json:"logActionRateLimit,omitempty" format:"rate"`
	// LogActionRateLimitBurst is how many Log lines may exceed the rate at once.
	LogActionRateLimitBurst *int `json:"logActionRateLimitBurst,omitempty" default:"5" min:"0" max:"9999"`
	// LogDebugFilenameRegex selects the source files that may log at Debug level.
	LogDebugFilenameRegex *string `json:"logDebugFilenameRegex,omitempty" format:"regex"`
	// LogFilePath is the log file; "none" turns it off.
	LogFilePath *string `json:"logFilePath,omitempty" default:"/var/log/calico/felix.log"`
	// LogPrefix starts each line of a Log rule. %t stands for the tier, %k for the kind, %n for the name and %p for namespace and name of the policy.
	LogPrefix *string `json:"logPrefix,omitempty" default:"calico-packet" format:"logPrefix"`
	// LogSeverityFile is the least severity written to the log file.
	LogSeverityFile *string `json:"logSeverityFile,omitempty" default:"Info" enum:"Trace Debug Info Warning Error Fatal" format:"anyCase"`
	// LogSeverityScreen is the least severity written to standard output.
	LogSeverityScreen *string `json:"logSeverityScreen,omitempty" default:"Info" enum:"Trace Debug Info Warning Error Fatal" format:"anyCase"`
	// LogSeveritySys is the least severity written to syslog.
	LogSeveritySys *string `json:"logSeveritySys,omitempty" default:"Info" enum:"Trace Debug Info Warning Error Fatal" format:"anyCase"`
}

// FelixMetrics sets up the Prometheus endpoint.
type FelixMetrics struct {
	// PrometheusGoMetricsEnabled includes metrics of the Go runtime.
	PrometheusGoMetricsEnabled *bool `json:"prometheusGoMetricsEnabled,omitempty" default:"true"`
	// PrometheusMetricsCAFile is the file of the CA that client certificates must come from.
	PrometheusMetricsCAFile *string `json:"prometheusMetricsCAFile,omitempty"`
	// PrometheusMetricsCertFile is the server's TLS certificate file.
	PrometheusMetricsCertFile *string `json:"prometheusMetricsCertFile,omitempty"`
	// PrometheusMetricsClientAuth says which client certificates are asked for.
	PrometheusMetricsClientAuth *string `json:"prometheusMetricsClientAuth,omitempty" default:"RequireAndVerifyClientCert" enum:"RequireAndVerifyClientCert RequireAnyClientCert VerifyClientCertIfGiven NoClientCert"`
	// PrometheusMetricsEnabled serves metrics for Prometheus.
	PrometheusMetricsEnabled *bool `json:"prometheusMetricsEnabled,omitempty" default:"false"`
	// PrometheusMetricsHost is the address the metrics server binds to; absent means all.
	PrometheusMetricsHost *string `json:"prometheusMetricsHost,omitempty"`
	// PrometheusMetricsKeyFile is the server's TLS key file.
	PrometheusMetricsKeyFile *string `json:"prometheusMetricsKeyFile,omitempty"`
	// PrometheusMetricsPort is the metrics server's TCP port.
	PrometheusMetricsPort *int `json:"prometheusMetricsPort,omitempty" default:"9091" min:"0" max:"65535"`
	// PrometheusProcessMetricsEnabled includes metrics of the process.
	PrometheusProcessMetricsEnabled *bool `json:"prometheusProcessMetricsEnabled,omitempty" default:"true"`
	// PrometheusWireGuardMetricsEnabled includes metrics of the WireGuard devices.
	PrometheusWireGuardMetricsEnabled *bool `json:"prometheusWireGuardMetricsEnabled,omitempty" default:"true"`
}
