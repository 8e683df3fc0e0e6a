//go:build kafka

package e2e

import (
	"os"
	"testing"
	"time"

	"stentor/engine/testkit"
)

// binary is the program under test.
var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	return testkit.WithNode(func(path string) int {
		binary = path
		return m.Run()
	})
}

// patience is how long a test waits for something that has to happen.
const patience = 2 * time.Minute

// eventually waits until ok holds. It is for what can only be asked for, such as a count.
func eventually(t *testing.T, what func() string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what())
		}
	}
}

func text(s string) func() string { return func() string { return s } }
