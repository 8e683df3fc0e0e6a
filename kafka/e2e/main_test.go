//go:build kafka

package e2e

import (
	"os"
	"testing"
	"time"

	"stentor/engine/testkit"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m)) }

// patience is how long a test waits for something that has to happen.
const patience = 2 * time.Minute

// eventually waits until ok holds. It is for what can only be asked for, such as a count.
func eventually(t *testing.T, what func() string, ok func() bool) {
	t.Helper()
	testkit.Eventually(t, patience, what, ok)
}

func text(s string) func() string { return func() string { return s } }
