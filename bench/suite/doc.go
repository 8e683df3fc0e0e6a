// Package suite is what the measurements of a whole node have in common: their options, the state of one run, and
// their sequence.
package suite
