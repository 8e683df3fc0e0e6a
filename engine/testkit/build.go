// Package testkit is the harness of the end-to-end tests: it builds the node, starts, stops and restarts it, reads its log
// and calls its API. Only tests import it.
package testkit

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// binary is the program under test, which Main builds.
var binary string

// Main builds the node's binary, with these flags of go build, and runs the tests. Its result is for os.Exit.
func Main(m *testing.M, flags ...string) int {
	dir, err := os.MkdirTemp("", "stentor-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "stentor")
	build := exec.Command("go", append(append([]string{"build", "-o", binary}, flags...), "stentor/cmd/stentor")...)
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "the program under test cannot be built:", err)
		return 1
	}
	return m.Run()
}

// Command returns a command of the binary, not started. Its environment is the test's without variables that would
// configure a node.
func Command(args ...string) *exec.Cmd {
	cmd := exec.Command(binary, args...)
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "STENTOR_") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	return cmd
}
