package e2e

import (
	"os"
	"testing"
	"time"

	"stentor/engine/testkit"
)

func TestMain(m *testing.M) {
	var flags []string
	if race {
		flags = []string{"-race"}
	}
	os.Exit(testkit.Main(m, flags...))
}

// patience is how long a test waits for something that has to happen.
const patience = time.Minute

// eventually waits until cond holds. It is for what can only be asked for, such as a count.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	testkit.Eventually(t, patience, func() string { return what }, cond)
}
