//go:build vm

package tuning

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// managed is what a running systemd made of a unit.
type managed struct {
	reading
	load string // its LoadState
	ran  bool   // its process was started: hard, gc and mb are what that was given
	hard string
}

// otherLimit is systemd's default for LimitNOFILE in the test, which no unit has.
const otherLimit = "4242"

// canBoot reports whether systemd can be started here, in namespaces of its own.
func canBoot(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Log("systemd does not judge: only root can boot it in namespaces")
		return false
	}
	if _, err := os.Stat("/lib/systemd/systemd"); err != nil {
		skipUnlessCI(t, "systemd is not installed: tuning/deps.sh does that")
		return false
	}
	if out, err := exec.Command("unshare", "-m", "-p", "-f", "-C", "-n", "mount", "-t", "tmpfs", "none", "/mnt").CombinedOutput(); err != nil {
		skipUnlessCI(t, fmt.Sprintf("systemd does not judge: no namespaces: %v %s", err, out))
		return false
	}
	return true
}

// places are the folders of a root that a unit's files are in.
var places = []string{"etc", "run", "usr/lib/systemd/system", "usr/local/lib/systemd/system"}

// askManager boots systemd in namespaces and has it read, and start, the unit as it is in each of the roots. Into these
// it puts what that kernel allows of tasks, of which a unit may have a share.
func askManager(t *testing.T, roots []string) []managed {
	t.Helper()
	dir := t.TempDir()
	run := func(name string, args ...string) {
		t.Helper()
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s %q: %v\n%s", name, args, err, out)
		}
	}
	run("cp", "testdata/boot.sh", "testdata/judge.sh", "testdata/ran.sh", dir)
	run("mkdir", filepath.Join(dir, "out"))
	number := func(i int) string { return fmt.Sprintf("%04d", i) }
	for i, root := range roots {
		for _, place := range places {
			if _, err := os.Stat(filepath.Join(root, place)); err == nil {
				to := filepath.Join(dir, "cases", number(i), place)
				run("mkdir", "-p", filepath.Dir(to))
				run("cp", "-R", "-P", filepath.Join(root, place), to)
			}
		}
		run("mkdir", "-p", filepath.Join(dir, "cases", number(i)))
	}
	// The end is a bound for a systemd that hangs, not a measure.
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	inGroup(t, func(group string) {
		cmd := exec.CommandContext(ctx, "sh", "-c", `echo $$ >"$1/cgroup.procs" && exec unshare -m -p -f -C -i -u -n --kill-child sh "$2/boot.sh" "$2"`, "sh", group, dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			judged, _ := os.ReadFile(filepath.Join(dir, "judge.out"))
			t.Fatalf("systemd: %v\n%s\n%s", err, out, judged)
		}
	})
	all := make([]managed, len(roots))
	for i, root := range roots {
		text, err := os.ReadFile(filepath.Join(dir, "out", number(i)))
		if err != nil {
			judged, _ := os.ReadFile(filepath.Join(dir, "judge.out"))
			t.Fatalf("%v\n%s", err, judged)
		}
		all[i] = parseManaged(string(text))
		run("mkdir", "-p", filepath.Join(root, "proc/sys/kernel"))
		run("cp", filepath.Join(dir, "pid_max"), filepath.Join(dir, "threads-max"), filepath.Join(root, "proc/sys/kernel"))
	}
	return all
}

// inGroup makes a control group, of the second version, so that systemd has none of this host's: it makes its own below it.
func inGroup(t *testing.T, do func(dir string)) {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		f := strings.Fields(line)
		if len(f) < 3 || f[2] != "cgroup2" {
			continue
		}
		dir, err := os.MkdirTemp(f[1], "stentor-test-")
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			for range 100 { // a group that has just become empty may be busy for a moment
				out, err := exec.Command("find", dir, "-depth", "-type", "d", "-exec", "rmdir", "{}", "+").CombinedOutput()
				if err == nil {
					return
				}
				t.Log(string(out))
				time.Sleep(10 * time.Millisecond)
			}
		}()
		do(dir)
		return
	}
	t.Skip("no cgroup2 is mounted here")
}

func parseManaged(text string) (m managed) {
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		key, value, _ := strings.Cut(line, "=")
		switch {
		case line == "ran":
			m.ran = true
		case strings.HasPrefix(line, "Max open files"):
			m.hard = strings.Replace(strings.Fields(line)[4], "unlimited", "infinity", 1)
		case key == "LoadState":
			m.load = value
		case key == "DropInPaths":
			m.drops = value
		case key == "LimitNOFILE" && value != otherLimit:
			m.nofile = value
		case key == "TasksMax" && value != "infinity":
			m.tasks = value
		case m.ran && key == "GOGC":
			m.gc = value
		case m.ran && key == "GOMEMLIMIT":
			m.mb = value
		}
	}
	return m
}

// TestUnitAsManager compares what is read here with what a running systemd reads, and with what it gives the process that
// it starts: of every unit of the other tests, and of those that apply.sh has been at.
func TestUnitAsManager(t *testing.T) {
	if !canBoot(t) {
		t.Skip()
	}
	cases := slices.Concat(unitCases(), environmentFiles())
	var roots []string
	for _, c := range cases {
		roots = append(roots, c.write(t))
	}
	shell := runner{words: []string{"sh"}, path: os.Getenv("PATH")}
	for _, c := range forceCases {
		for _, applied := range []bool{false, true} {
			root := forceRoot(t, c.name, c.files)
			if applied {
				shell.run(t, "apply.sh", "--root", root, "--connections", strconv.Itoa(forceConnections), "--yes")
			}
			cases = append(cases, unitCase{fmt.Sprintf("%s, after apply.sh: %t", c.name, applied), c.files})
			roots = append(roots, root)
		}
	}
	most, err := (&process{root: "/"}).openFiles()
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for i, m := range askManager(t, roots) {
		is := goReading(roots[i])
		if m.load != "loaded" {
			m.reading = reading{}
		}
		if m.ran {
			ran++
			if want := cmp.Or(m.nofile, otherLimit); m.hard != want && !(len(m.nofile) > len(most) || m.nofile > most) {
				t.Errorf("%s: systemd shows %s descriptors, the process has %s", cases[i].name, want, m.hard)
			}
		} else {
			is.gc, is.mb = "", ""
		}
		is.drops = strings.ReplaceAll(strings.TrimSpace(is.drops), "\n", " ")
		m.drops = strings.ReplaceAll(m.drops, `"`, "") // around a name with spaces
		if is != m.reading {
			t.Errorf("%s: read as\n%+v\nby systemd\n%+v", cases[i].name, is, m.reading)
		}
	}
	if ran < len(roots)/2 {
		t.Errorf("%d of %d units were started", ran, len(roots))
	}
}
