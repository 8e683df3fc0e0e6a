//go:build attacks

package attack

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// binary is the program under attack.
var binary string

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(play(role))
	}
	os.Exit(run(m))
}

// run builds the node, so that nobody attacks an old one.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "stentor-attack-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "stentor")
	build := exec.Command("go", "build", "-o", binary, "stentor/cmd/stentor")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "cannot build the program under attack:", err)
		return 1
	}
	return m.Run()
}
