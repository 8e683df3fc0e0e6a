// Package measure has what judges a load run: the payload that carries its own number and intended time, the
// check of each subscriber's sequence, latency histograms that merge, and medians.
package measure
