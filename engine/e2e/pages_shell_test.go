package e2e

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"stentor/engine/testkit"
)

// shell is a bash that takes commands one by one, in a folder that looks like this tree with its programs built, and with
// a network and processes of its own: the fixed ports of the pages are free there, and everything ends with it. One
// goroutine uses it.
type shell struct {
	dir   string
	in    io.Writer
	out   chan string // its lines, closed at its end
	kept  []string    // commands in the background, whose output is in files
	node  string      // process id of the node, "" for none
	lates time.Duration
}

// namespace starts a program that way.
func namespace(args ...string) *exec.Cmd {
	all := []string{"-n", "-m", "-p", "-f", "--mount-proc", "--kill-child"}
	if os.Getuid() != 0 {
		all = append([]string{"-U", "-r"}, all...)
	}
	return exec.Command("unshare", append(all, args...)...)
}

// inNamespace skips the test where there are no namespaces, but for CI.
func inNamespace(t *testing.T) {
	t.Helper()
	out, err := namespace("ip", "link", "set", "lo", "up").CombinedOutput()
	if err == nil {
		return
	}
	testkit.Missing(t, fmt.Sprintf("no namespaces here (as root, or with user namespaces, and with iproute2, which tuning/deps.sh installs): %v %s", err, out))
}

// newShell starts one. It ends with the test.
func newShell(t *testing.T, bench string) *shell {
	t.Helper()
	s := &shell{dir: t.TempDir(), out: make(chan string), lates: 2 * time.Minute}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	links := map[string]string{"bin/stentor": testkit.Command().Path, "bin/stentor-bench": bench}
	for _, e := range entries {
		if name := e.Name(); name != "bin" && !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "go.") {
			links[name] = filepath.Join(root, name)
		}
	}
	if err := os.Mkdir(filepath.Join(s.dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, to := range links {
		if err := os.Symlink(to, filepath.Join(s.dir, name)); err != nil {
			t.Fatal(err)
		}
	}

	cmd := namespace("bash", "--norc")
	cmd.Dir = s.dir
	cmd.Env = testkit.Command().Env
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.in = in
	go func() {
		defer close(s.out)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			s.out <- lines.Text()
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // and with it all processes of the namespace
		for range s.out {      // until its end
		}
		_ = cmd.Wait()
	})
	s.run(t, "set -o pipefail; ip link set lo up")
	return s
}

// say sends the shell a line, and returns the one that it answers.
func (s *shell) say(t *testing.T, line string) string {
	t.Helper()
	if _, err := io.WriteString(s.in, line+"\n"); err != nil {
		t.Fatal(err)
	}
	select {
	case answer, ok := <-s.out:
		if !ok {
			t.Fatalf("the shell ended at: %s", line)
		}
		return answer
	case <-time.After(s.lates):
		t.Fatalf("this takes longer than %v: %s\n%s", s.lates, line, s.logs())
		return ""
	}
}

// run runs a command in the shell itself, so that what it sets stays.
func (s *shell) run(t *testing.T, command string) (status int, out string) {
	t.Helper()
	status, err := strconv.Atoi(s.say(t, "{ "+command+"\n} </dev/null >.out 2>&1; echo $?"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(s.dir, ".out"))
	if err != nil {
		t.Fatal(err)
	}
	return status, string(text)
}

// background starts a command, and returns its process id.
func (s *shell) background(t *testing.T, command string) (pid string) {
	t.Helper()
	pid = s.say(t, fmt.Sprintf("{ exec %s\n} </dev/null >.kept%d 2>&1 & echo $!", command, len(s.kept)))
	s.kept = append(s.kept, command)
	return pid
}

// log is what one command in the background has printed.
func (s *shell) log(n int) string {
	text, _ := os.ReadFile(filepath.Join(s.dir, fmt.Sprintf(".kept%d", n))) // it may not have come so far
	return string(text)
}

// logs is what all of them have printed.
func (s *shell) logs() string {
	var all strings.Builder
	for n, command := range s.kept {
		fmt.Fprintf(&all, "--- %s\n%s", command, s.log(n))
	}
	return all.String()
}
