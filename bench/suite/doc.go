// Package suite is what the measurements of a whole node have in common: their options, what one run of them has, and that
// they come one after the other.
package suite
