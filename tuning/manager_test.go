//go:build vm

package tuning

import (
	"cmp"
	"context"
	"fmt"
	"maps"
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
	load string            // its LoadState
	said map[string]string // what check.sh and Check say of the process, and what systemd does, where that is asked
	ran  bool              // its process was started: hard, gc and mb are what that was given
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
	if _, err := os.Stat("/usr/lib/systemd/systemd"); err != nil {
		skipUnlessCI(t, "systemd is not installed: tuning/deps.sh does that")
		return false
	}
	if out, err := exec.Command("/usr/bin/unshare", "-m", "-p", "-f", "-C", "-n", "mount", "-t", "tmpfs", "none", t.TempDir()).CombinedOutput(); err != nil {
		skipUnlessCI(t, fmt.Sprintf("systemd does not judge: no namespaces: %v %s", err, out))
		return false
	}
	return true
}

// places are the folders of a root that a unit's files are in.
var places = []string{"etc", "run", "usr/lib/systemd/system", "usr/local/lib/systemd/system"}

// askManager boots systemd in namespaces and has it read, and start, the unit as it is in each of the roots. Into these
// it puts what that kernel allows of tasks, of which a unit may have a share.
func askManager(t *testing.T, groups string, roots []string) []managed {
	t.Helper()
	dir := t.TempDir()
	run := func(name string, args ...string) {
		t.Helper()
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s %q: %v\n%s", name, args, err, out)
		}
	}
	run("cp", "testdata/boot.sh", "testdata/judge.sh", "testdata/ran.sh", dir)
	run("mkdir", filepath.Join(dir, "out"), filepath.Join(dir, "tuning"))
	run("sh", "-c", `cp *.sh *.awk "$1"`, "sh", filepath.Join(dir, "tuning"))
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	run("cp", self, filepath.Join(dir, "doctor"))
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
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	inGroups(t, groups, dir)
	cmd := exec.CommandContext(ctx, "sh", filepath.Join(dir, "boot.sh"), dir, groups)
	out, err := cmd.CombinedOutput()
	if _, done := os.Stat(filepath.Join(dir, "done")); done != nil { // its status depends on how it can end here
		judged, _ := os.ReadFile(filepath.Join(dir, "judge.out"))
		t.Fatalf("systemd: %v\n%s\n%s", err, out, judged)
	}
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

// inGroups makes a control group in each hierarchy that systemd wants, so that it has none of this host's: it makes its own
// below them. The scripts to go in and out are in dir. The groups are removed with the test.
func inGroups(t *testing.T, version, dir string) {
	t.Helper()
	mine, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	scripts := map[string]string{}
	for _, at := range hierarchies(t, version) {
		group, err := os.MkdirTemp(at.dir, "stentor-test-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { removeGroups(t, group) })
		scripts["enter"] += "echo 0 >" + group + "/cgroup.procs\n"
		scripts["leave"] += "echo 0 >" + at.dir + at.group(string(mine)) + "/cgroup.procs\n"
	}
	for name, text := range scripts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// removeGroups removes a control group and those below it. The kernel may take a moment to see that nobody is in them.
func removeGroups(t *testing.T, dir string) {
	var out []byte
	for range 2000 {
		var err error
		if out, err = exec.Command("find", dir, "-depth", "-type", "d", "-exec", "rmdir", "{}", "+").CombinedOutput(); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%s stays: %s", dir, out)
}

// hierarchy is one of control groups.
type hierarchy struct{ name, dir string }

// group is the group in it of the process whose /proc/self/cgroup this is.
func (h hierarchy) group(cgroup string) string {
	for line := range strings.Lines(cgroup) {
		if f := strings.SplitN(strings.TrimSpace(line), ":", 3); len(f) == 3 && f[1] == h.name {
			return strings.TrimSuffix(f[2], "/")
		}
	}
	return ""
}

// hierarchies are those that systemd wants. The test is skipped where they are not.
func hierarchies(t *testing.T, version string) (all []hierarchy) {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"name=systemd", "memory", "pids"}
	if version == "v2" {
		want = []string{""}
	}
	for _, name := range want {
		for line := range strings.Lines(string(mounts)) {
			f := strings.Fields(line)
			if f[2] == "cgroup2" && name == "" || f[2] == "cgroup" && slices.Contains(strings.Split(f[3], ","), name) {
				all = append(all, hierarchy{name, f[1]})
				break
			}
		}
	}
	if len(all) < len(want) {
		t.Skipf("not all of the hierarchies %q are mounted here", want)
	}
	return all
}

func parseManaged(text string) managed {
	m := managed{said: map[string]string{}}
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
		case strings.HasPrefix(line, "check ") || strings.HasPrefix(line, "doctor "):
			f := strings.Fields(line)
			m.said[f[0]+" "+f[1]] = f[2]
		case key == "MemoryMax":
			m.said["systemd memory"] = value
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
	for i, m := range askManager(t, "v2", roots) {
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

// TestPrintLimits is no test: it is how the program of the test looks at a process below systemd.
func TestPrintLimits(t *testing.T) {
	pid, err := strconv.Atoi(os.Getenv("STENTOR_TEST_PID"))
	if err != nil {
		t.Skip()
	}
	h, err := Inspect("/")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range Check("/", pid, Want{Connections: 1000}, h) {
		if f.Kind == Memory || f.Kind == Systemd {
			fmt.Println("doctor", f.Name, f.Is)
		}
	}
}

// limitCases are units with limits of control groups, and what is left of memory and tasks: KiB, and a number.
var limitCases = []struct {
	name, memory, tasks string
	files               map[string]string
}{
	{"none", "", "infinity", map[string]string{libUnit: begin}},
	{"of the unit", "102400", "33", map[string]string{libUnit: begin + "MemoryMax=100M\nTasksMax=33\n"}},
	{"of a drop-in", "204800", "infinity", map[string]string{libUnit: begin + "MemoryMax=100M\nTasksMax=33\n", etcDrops + "10-x.conf": "[Service]\nMemoryMax=200M\nTasksMax=\n"}},
	{"of the slice", "102400", "44", map[string]string{libUnit: begin + "Slice=x.slice\nMemoryMax=200M\nTasksMax=infinity\n", "etc/systemd/system/x.slice": "[Slice]\nMemoryMax=100M\nTasksMax=44\n"}},
	{"of a slice above", "102400", "33", map[string]string{libUnit: begin + "Slice=x-y.slice\nTasksMax=33\n", "etc/systemd/system/x.slice": "[Slice]\nMemoryMax=100M\nTasksMax=44\n", "etc/systemd/system/x-y.slice": "[Slice]\nMemoryMax=300M\n"}},
}

// TestLimitsAsManager has a running systemd limit memory and tasks, with control groups of both versions: check.sh and
// Check find of the process what is left.
func TestLimitsAsManager(t *testing.T) {
	if !canBoot(t) {
		t.Skip()
	}
	h, err := Inspect("/")
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"v1", "v2"} {
		t.Run(version, func(t *testing.T) {
			for _, h := range hierarchies(t, version) {
				control, _ := os.ReadFile(filepath.Join(h.dir, "cgroup.subtree_control")) // the first version has none
				if has := strings.Fields(string(control)); version == "v2" && !(slices.Contains(has, "memory") && slices.Contains(has, "pids")) {
					t.Skip("memory and tasks are limited by groups of the first version here; bench/machine/vm runs this in a machine")
				}
			}
			var roots []string
			for _, c := range limitCases {
				files := maps.Clone(c.files)
				files["etc/limits"] = "asked"
				roots = append(roots, unitCase{c.name, files}.write(t))
			}
			for i, m := range askManager(t, version, roots) {
				c := limitCases[i]
				want := map[string]string{"memory": cmp.Or(c.memory, fmt.Sprint(h.Memory)), "TasksMax": c.tasks, "LimitNOFILE": otherLimit}
				for key, value := range want {
					for _, who := range []string{"check ", "doctor "} {
						if is := m.said[who+key]; is != value {
							t.Errorf("%s: %s%s is %q, want %s", c.name, who, key, is, value)
						}
					}
				}
			}
		})
	}
}
