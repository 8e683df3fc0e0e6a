// Package measure has the tools to judge a load run: payloads that carry their number and due time, a check of each
// subscriber's sequence, latency histograms that merge, and medians.
package measure
