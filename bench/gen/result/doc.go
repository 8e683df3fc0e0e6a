// Package result is what a load run has found, as JSON. A Result of one generator and one of many have the same form:
// Merge puts several into one. Latencies are kept as histograms in HdrHistogram's encoding, so that percentiles of
// several generators come from merged histograms, never from averages; the percentiles beside them are for readers.
//
// All times are UTC, durations seconds, latencies microseconds, sizes bytes.
package result
