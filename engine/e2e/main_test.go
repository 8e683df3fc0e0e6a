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
	var flags []string
	if race {
		flags = []string{"-race"}
	}
	return testkit.WithNode(func(path string) int {
		binary = path
		return m.Run()
	}, flags...)
}

// patience is how long a test waits for something that has to happen.
const patience = 15 * time.Second

// eventually waits until cond holds. It is for what can only be asked for, such as a count.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
