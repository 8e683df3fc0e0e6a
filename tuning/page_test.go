package tuning

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPage runs the commands of docs/tuning.md with the scripts, in their order, on a copy of a host and with an answer to
// what they ask: the host is then set up, and as it was in the end.
func TestPage(t *testing.T) {
	text, err := os.ReadFile("../docs/tuning.md")
	if err != nil {
		t.Fatal(err)
	}
	var commands []string
	fenced := false
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
		} else if command, _, _ := strings.Cut(line, " #"); fenced && strings.Contains(command, "tuning/") {
			commands = append(commands, strings.TrimSpace(command))
		}
	}
	want := map[string]int{"tuning/check.sh": 1, "tuning/apply.sh": 0, "sudo tuning/apply.sh": 0, "sudo tuning/revert.sh": 0}
	if len(commands) != len(want) {
		t.Fatalf("%q", commands)
	}
	// The rights of the test suffice for the copy.
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "sudo"), []byte("#!/bin/sh\nexec \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	root := fakeHost{memory: 16 << 20, cores: 4, limit: "2000000"}.write(t)
	before := snapshot(t, root)
	run := func(command string) (string, int) {
		cmd := exec.Command("sh", "-c", command)
		cmd.Dir, cmd.Stdin = "..", strings.NewReader("y\n")
		cmd.Env = append(os.Environ(), "STENTOR_TUNING_ROOT="+root, "PATH="+bin+":"+os.Getenv("PATH"))
		out, _ := cmd.CombinedOutput() // its status is looked at
		return string(out), cmd.ProcessState.ExitCode()
	}
	for _, command := range commands {
		begin, _, _ := strings.Cut(command, ".sh")
		out, status := run(command)
		if expected, ok := want[begin+".sh"]; !ok || status != expected {
			t.Errorf("%s: exit status %d\n%s", command, status, out)
		}
		if strings.HasPrefix(command, "sudo tuning/apply.sh") {
			if out, status := run(commands[0]); status != 0 {
				t.Errorf("after it, %s: exit status %d\n%s", commands[0], status, out)
			}
		}
	}
	if now := changed(before, snapshot(t, root)); len(now) > 0 {
		t.Errorf("after the page: %q", now)
	}
}
