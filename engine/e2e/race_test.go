//go:build race

package e2e

// race says that the tests run with the race detector, and so shall the program.
const race = true
