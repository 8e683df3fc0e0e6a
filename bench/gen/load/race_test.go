//go:build race

package load

// raced: the race detector is on, which takes memory for itself.
const raced = true
