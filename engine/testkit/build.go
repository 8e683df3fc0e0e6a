// Package testkit is what the end-to-end tests of a node have in common: its binary, and what it logs. Only tests import it.
package testkit

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// WithNode builds the node's binary, with these flags of go build, and returns what run returns, which is handed its path.
func WithNode(run func(binary string) int, flags ...string) int {
	dir, err := os.MkdirTemp("", "stentor-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "stentor")
	build := exec.Command("go", append(append([]string{"build", "-o", binary}, flags...), "stentor/cmd/stentor")...)
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "the program under test cannot be built:", err)
		return 1
	}
	return run(binary)
}
