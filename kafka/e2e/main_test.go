//go:build kafka

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// binary is the program under test.
var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "stentor-kafka-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "stentor")
	build := exec.Command("go", "build", "-o", binary, "stentor/cmd/stentor")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "the program under test cannot be built:", err)
		return 1
	}
	return m.Run()
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
