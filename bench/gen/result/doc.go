// Package result is the result of a load run, as JSON. Results of one generator and of many have the same form:
// Merge combines several into one. Latencies are kept as histograms in HdrHistogram's encoding, so that percentiles of
// several generators come from merged histograms, never from averages; the percentiles beside them are for readers.
//
// All times are UTC, durations seconds, latencies microseconds, sizes bytes.
package result
