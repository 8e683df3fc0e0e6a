package tuning

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// shells are the shells that the scripts run in here, each with the words before a script's name: dash, which is sh on
// Debian, and busybox. Where one is missing there is sh.
func shells(t *testing.T) map[string][]string {
	t.Helper()
	for _, name := range []string{"common.sh", "unit.awk", "settings.sh", "check.sh", "apply.sh", "revert.sh"} {
		if _, err := os.ReadFile(name); err != nil { // so that go test sees that its result depends on them
			t.Fatal(err)
		}
	}
	all := map[string][]string{}
	for name, words := range map[string][]string{"dash": {"dash"}, "busybox": {"busybox", "sh"}} {
		if _, err := exec.LookPath(words[0]); err != nil {
			skipUnlessCI(t, name+" is not installed: tuning/deps.sh does that")
			name, words = "sh", []string{"sh"}
		}
		all[name] = words
	}
	return all
}

// skipUnlessCI says what is not tested, and fails where everything must be.
func skipUnlessCI(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Error(why)
	} else {
		t.Log(why)
	}
}

// inShells runs a test once for each shell.
func inShells(t *testing.T, test func(t *testing.T, run runner)) {
	for name, words := range shells(t) {
		t.Run(name, func(t *testing.T) {
			r := runner{words: words, path: os.Getenv("PATH")}
			if words[0] == "busybox" {
				r.path = busyboxOnly(t)
			}
			test(t, r)
		})
	}
}

// busyboxOnly makes a directory in which busybox has the names of the programs that the scripts may use. There is no
// diff among them: small builds have none.
func busyboxOnly(t *testing.T) string {
	t.Helper()
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range strings.Fields("busybox sh awk cat cmp cp dirname find grep id mkdir mktemp mv readlink rm rmdir sed sort tr wc mount") {
		if err := os.Symlink(busybox, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// runner runs scripts in one shell, with the programs of path.
type runner struct {
	words []string
	path  string
	in    string
}

// run runs a script of this package and returns what it wrote and its exit status.
func (r runner) run(t *testing.T, script string, args ...string) (out string, status int) {
	t.Helper()
	cmd := exec.Command(r.words[0], slices.Concat(r.words[1:], []string{"./" + script}, args)...)
	cmd.Stdin = strings.NewReader(r.in)
	cmd.Env = append(os.Environ(), "STENTOR_TUNING_ROOT=", "LC_ALL=C", "PATH="+r.path)
	b, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(b), cmd.ProcessState.ExitCode()
}

// must is run that expects a status.
func (r runner) must(t *testing.T, status int, script string, args ...string) string {
	t.Helper()
	out, is := r.run(t, script, args...)
	if is != status {
		t.Fatalf("%s %q: exit status %d, want %d\n%s", script, args, is, status, out)
	}
	return out
}

func TestShellcheck(t *testing.T) {
	if _, err := exec.LookPath("shellcheck"); err != nil {
		skipUnlessCI(t, "shellcheck is not installed: tuning/deps.sh does that")
		t.Skip()
	}
	if out, err := exec.Command("shellcheck", "-a", "-x", "check.sh", "apply.sh", "revert.sh", "deps.sh").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestSameNumbers compares the values of the table in Go with those of the scripts over many hosts.
func TestSameNumbers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	type one struct {
		w Want
		h Host
	}
	var cases []one
	for _, n := range []int64{1, 999, 1000, 10000, 61440, 61441, 65536, 100000, 1000000, 1234567, MaxConnections} {
		for _, gib := range []int64{1, 2, 4, 16, 19, 64, 256} {
			cases = append(cases, one{Want{n, n%2 == 0}, Host{Memory: gib << 20, Page: 4, Cores: 2, NICs: []NIC{{"eth0", 1, 1}}}})
		}
	}
	for range 60 {
		h := Host{Memory: 1 + r.Int64N(512<<20), Page: []int64{4, 16, 64}[r.IntN(3)], Cores: 1 + r.Int64N(130), Conntrack: r.IntN(2) == 0}
		for i := range r.IntN(3) {
			h.NICs = append(h.NICs, NIC{fmt.Sprintf("ens%d", i), 1 + r.Int64N(9), r.Int64N(9)})
		}
		cases = append(cases, one{Want{1 + r.Int64N(MaxConnections), r.IntN(2) == 0}, h})
	}
	var script, want strings.Builder
	script.WriteString("set -eu\nprogram=test\n. ./common.sh\n. ./settings.sh\nput() { printf '%s|' \"$@\"; echo; }\n")
	digit := map[bool]int{true: 1}
	for _, c := range cases {
		var nics []string
		for _, n := range c.h.NICs {
			nics = append(nics, fmt.Sprintf("%s:%d:%d", n.Name, n.RX, n.TX))
		}
		fmt.Fprintf(&script, "connections=%d memory=%d page=%d cores=%d conntrack=%d outgoing=%d nics='%s'\navailable=$memory\nfit\nsettings\n",
			c.w.Connections, c.h.Memory, c.h.Page, c.h.Cores, digit[c.h.Conntrack], digit[c.w.Outgoing], strings.Join(nics, " "))
		fmt.Fprintln(&want, c.w.Fit(c.h.Memory))
		for _, s := range Settings(c.w, c.h) {
			rules, path := "-", "-"
			if len(s.Rules) > 0 {
				rules = strings.Trim(strings.ReplaceAll(fmt.Sprint(s.Rules), " ", ","), "[]")
			}
			if s.Path != "" {
				path = s.Path
			}
			fmt.Fprintf(&want, "%s|%s|%s|%s|%s|\n", s.Kind, s.Name, path, rules, s.Value)
		}
	}
	file := filepath.Join(t.TempDir(), "numbers.sh")
	if err := os.WriteFile(file, []byte(script.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	all := shells(t)
	if _, err := exec.LookPath("bash"); err == nil {
		all["bash"] = []string{"bash", "--posix"} // which is sh on RHEL
	}
	for name, words := range all {
		out, err := exec.Command(words[0], append(words[1:], file)...).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
			continue
		}
		is, should := strings.Split(string(out), "\n"), strings.Split(want.String(), "\n")
		if len(is) != len(should) {
			t.Errorf("%s: %d lines, want %d", name, len(is), len(should))
		}
		for i := range min(len(is), len(should)) {
			if is[i] != should[i] {
				t.Fatalf("%s: line %d: %s, in Go %s", name, i, is[i], should[i])
			}
		}
	}
}

var small = fakeHost{memory: 2 << 20, cores: 4, conntrack: true, nics: []NIC{{"eth0", 1, 2}}}

func TestApplyAndRevert(t *testing.T) {
	inShells(t, func(t *testing.T, r runner) {
		root := small.write(t)
		begin := snapshot(t, root)
		apply := func(more ...string) string {
			return r.must(t, 0, "apply.sh", append([]string{"--root", root}, more...)...)
		}
		out := apply("--connections", "100000", "--dry-run")
		if now := changed(begin, snapshot(t, root)); len(now) > 0 {
			t.Fatalf("--dry-run changed %q", now)
		}
		for _, want := range []string{
			"-net.core.somaxconn = 4096\n", "+net.core.somaxconn = 12500\n", "+++ b/etc/sysctl.d/99-zz-stentor.conf\n",
			"-net.ipv4.tcp_mem = 21693 28924 43386\n", "+* hard nofile", "+LimitNOFILE=104096\n", "+TasksMax=1024\n", "+Environment=GOMEMLIMIT=804MiB\n",
			"note: /etc/sysctl.conf sets net.core.somaxconn too", "note: /etc/sysctl.d/10-mine.conf sets vm.swappiness too",
		} {
			if strings.Contains(out, want) == (want == "+* hard nofile") { // 524288 is enough already
				t.Errorf("%q in the difference, or not:\n%s", want, out)
			}
		}
		apply("--connections", "100000", "--yes")
		for path, want := range map[string]string{
			"proc/sys/net/core/somaxconn":                            "12500\n",
			"proc/sys/net/ipv4/tcp_rmem":                             "4096 16384 6291456\n",
			"proc/sys/net/ipv4/tcp_wmem":                             "4096\t16384\t4194304\n", // suffices: not touched
			"proc/sys/fs/file-max":                                   "9223372036854775807\n",
			"proc/sys/net/netfilter/nf_conntrack_max":                "265536\n",
			"sys/module/nf_conntrack/parameters/hashsize":            "66560\n",
			"sys/kernel/mm/transparent_hugepage/enabled":             "madvise\n",
			"sys/class/net/eth0/queues/rx-0/rps_cpus":                "0000000f\n",
			"sys/class/net/eth0/queues/rx-0/rps_flow_cnt":            "32768\n",
			"sys/class/net/eth0/queues/tx-0/xps_cpus":                "00000005\n",
			"sys/class/net/eth0/queues/tx-1/xps_cpus":                "0000000a\n",
			"sys/class/net/lo/queues/rx-0/rps_cpus":                  "0\n",
			"proc/sys/net/ipv4/ip_local_port_range":                  "32768\t60999\n",
			"etc/systemd/system/stentor.service.d/10-my.conf":        begin["/etc/systemd/system/stentor.service.d/10-my.conf"][len("-rw-r--r--\n"):],
			"etc/modules-load.d/90-stentor.conf":                     "# For 100000 connections of Stentor, by tuning/apply.sh. tuning/revert.sh removes it.\nnf_conntrack\n",
			"etc/systemd/system/multi-user.target.d/90-stentor.conf": "# For 100000 connections of Stentor, by tuning/apply.sh. tuning/revert.sh removes it.\n[Unit]\nWants=stentor-tuning.service\n",
		} {
			if is, err := os.ReadFile(filepath.Join(root, path)); err != nil || string(is) != want {
				t.Errorf("%s: %q, %v, want %q", path, is, err, want)
			}
		}
		if out := r.must(t, 0, "check.sh", "--root", root, "--connections", "100000"); !strings.Contains(out, " 0 short, 0 to be changed") {
			t.Error(out)
		}
		after := snapshot(t, root)
		if out := apply("--connections", "100000"); !strings.Contains(out, "nothing to change") {
			t.Errorf("the second time: %s", out)
		}
		if now := changed(after, snapshot(t, root)); len(now) > 0 {
			t.Errorf("the second time changed %q", now)
		}
		// Another number starts from what was before the first time, and so do less and more again.
		apply("--connections", "1000", "--yes")
		if is := present(t, root, "proc/sys/net/core/somaxconn"); is != "4096\n" {
			t.Errorf("with fewer connections somaxconn is %q", is)
		}
		apply("--connections", "110000", "--outgoing", "--yes")
		if is := present(t, root, "proc/sys/net/ipv4/ip_local_port_range"); is != "10000 65535\n" {
			t.Errorf("port range %q", is)
		}
		apply("--connections", "100000", "--yes")
		if now := onlyBut(changed(after, snapshot(t, root)), "/var/lib/stentor-tuning/", "/proc/sys/net/ipv4/ip_local_port_range: "); len(now) > 0 { // the latter with a space for a tab
			t.Errorf("back at 100000: %q", now)
		}
		if out := r.must(t, 0, "revert.sh", "--root", root, "--dry-run"); !strings.Contains(out, "-/proc/sys/net/core/somaxconn = 12500\n") || !strings.Contains(out, "+++ /dev/null\n") {
			t.Error(out)
		}
		r.must(t, 0, "revert.sh", "--root", root, "--yes")
		if now := changed(begin, snapshot(t, root)); len(now) > 0 {
			t.Errorf("after revert.sh: %q", now)
		}
		if out := r.must(t, 0, "revert.sh", "--root", root); !strings.Contains(out, "nothing to restore") {
			t.Error(out)
		}
	})
}

func present(t *testing.T, root, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// onlyBut drops the lines that begin with one of the prefixes.
func onlyBut(lines []string, prefixes ...string) []string {
	return slices.DeleteFunc(lines, func(line string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(line, p) })
	})
}

// TestKeepsWhatIsThere has files where apply.sh writes, and a host with neither /etc nor /var, as in an initramfs.
func TestKeepsWhatIsThere(t *testing.T) {
	inShells(t, func(t *testing.T, r runner) {
		host := small
		host.limit = "4096"
		host.files = map[string]string{"etc/sysctl.d/99-zz-stentor.conf": "# mine\nvm.swappiness = 5\n", "etc/security/limits.d/90-stentor.conf": "ann hard nofile 10\n", "var/lib/other/x": "x"}
		bare := small
		bare.limit = "4096"
		for name, h := range map[string]fakeHost{"full": host, "bare": bare} {
			root := h.write(t)
			if name == "bare" {
				for _, dir := range []string{"etc", "sys"} {
					if err := os.RemoveAll(filepath.Join(root, dir)); err != nil {
						t.Fatal(err)
					}
				}
			}
			begin := snapshot(t, root)
			r.must(t, 0, "apply.sh", "--root", root, "--connections", "60000", "--yes")
			if is := present(t, root, "etc/security/limits.d/90-stentor.conf"); !strings.HasSuffix(is, "\n* hard nofile 64096\nroot hard nofile 64096\n") {
				t.Errorf("%s: limits.d: %q", name, is)
			}
			r.must(t, 0, "revert.sh", "--root", root, "--yes")
			if now := changed(begin, snapshot(t, root)); len(now) > 0 {
				t.Errorf("%s: after revert.sh: %q", name, now)
			}
		}
	})
}

func TestRefusals(t *testing.T) {
	inShells(t, func(t *testing.T, r runner) {
		root := small.write(t)
		begin := snapshot(t, root)
		for _, args := range []string{
			"", "--connections", "--connections 12x", "--connections 0", "--connections -5", "--connections 010", "--connections 1e6", "--connections 10000001",
			"--connections 99999999999999999999", "--connections 1000 --frobnicate", "--connections 1000 more", "--connections 300000 --yes", "--connections=12x",
			"--connections 1000 --root /nonexistent",
		} {
			for _, script := range []string{"apply.sh", "check.sh"} {
				if script == "check.sh" && strings.HasSuffix(args, "--yes") {
					continue
				}
				if out := r.must(t, 2, script, append([]string{"--root", root}, strings.Fields(args)...)...); strings.Count(out, "\n") != 1 || !strings.HasPrefix(out, "tuning/"+script+": ") {
					t.Errorf("%s %s: %q", script, args, out)
				}
			}
		}
		if out := r.must(t, 2, "apply.sh", "--root", root, "--connections", "300000"); !strings.Contains(out, "at most 174762 do") {
			t.Error(out)
		}
		// No answer, or another one than yes, is no.
		for _, in := range []string{"", "\n", "n\n", "x"} {
			r.in = in
			if out := r.must(t, 1, "apply.sh", "--root", root, "--connections=20000"); !strings.HasSuffix(out, "nothing was changed\n") {
				t.Error(out)
			}
		}
		if now := changed(begin, snapshot(t, root)); len(now) > 0 {
			t.Errorf("changed %q", now)
		}
		r.in = "y\n"
		r.must(t, 0, "apply.sh", "--root", root, "--connections=20000")
		if is := present(t, root, "proc/sys/vm/swappiness"); is != "10\n" {
			t.Errorf("after yes: %q", is)
		}
	})
}

// TestCannotSet has a value that the kernel does not let go above its own: descriptors are not promised then.
func TestCannotSet(t *testing.T) {
	host := small
	host.memory, host.limit = 16<<20, "4096"
	inShells(t, func(t *testing.T, r runner) {
		root := host.write(t)
		file := filepath.Join(root, "proc/sys/fs/nr_open")
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("/proc/sys/kernel/cap_last_cap", file); err != nil { // a small number that not even root can write
			t.Fatal(err)
		}
		begin := snapshot(t, root)
		out, status := r.run(t, "apply.sh", "--root", root, "--connections", "1500000", "--yes")
		for _, want := range []string{"tuning/apply.sh: fs.nr_open could not be set to 1504256: ", "below the 1504096 descriptors wanted: limits.d and the unit are unchanged"} {
			if status != 1 || !strings.Contains(out, want) {
				t.Errorf("%d, no %q in\n%s", status, want, out)
			}
		}
		if _, err := os.Stat(filepath.Join(root, "etc/security/limits.d/90-stentor.conf")); err == nil {
			t.Error("limits.d promises what the kernel will not keep")
		}
		if is := present(t, root, "proc/sys/vm/swappiness"); is != "10\n" {
			t.Errorf("the rest was not set: %q", is)
		}
		r.must(t, 0, "revert.sh", "--root", root, "--yes")
		if now := changed(begin, snapshot(t, root)); len(now) > 0 {
			t.Errorf("after revert.sh: %q", now)
		}
	})
}

// TestSameVerdicts compares check.sh with Check.
func TestSameVerdicts(t *testing.T) {
	hosts := []fakeHost{
		small,
		{memory: 19 << 20, cores: 2, limit: "unlimited"},
		{memory: 64 << 20, cores: 16, nics: []NIC{{"eth0", 8, 8}, {"eth1", 16, 16}}, limit: "20000", files: map[string]string{
			"proc/77/comm": "irqbalance\n", "proc/sys/vm/overcommit_memory": "2\n", "proc/sys/fs/file-max": "18446744073709551615\n",
			"etc/systemd/system/stentor.service.d/20-more.conf": "[Service]\nEnvironment=GOMEMLIMIT=20GiB\nEnvironment=GOGC=100\nTasksMax=infinity\nLimitNOFILE=2000000\n",
			"proc/4711/limits":  "Max open files            1024                 9999               files     \n",
			"proc/4711/environ": "PATH=/bin\x00GOMEMLIMIT=1073741824\x00",
			"proc/4711/cgroup":  "0::/system.slice/stentor.service\n",
			"sys/fs/cgroup/system.slice/stentor.service/pids.max": "max\n",
		}},
	}
	line := regexp.MustCompile(`(?m)^(ok|short|too low|too high|differs|unset|unknown) +([^ ]+): .*?(?:, should be (.*))?$`)
	inShells(t, func(t *testing.T, r runner) {
		for i, fake := range hosts {
			root := fake.write(t)
			h, err := Inspect(root)
			if err != nil {
				t.Fatal(err)
			}
			for _, pid := range []int{0, 4711} {
				if pid != 0 && fake.files == nil {
					continue
				}
				for _, w := range []Want{{1000, false}, {100000, true}, {1000000, false}} {
					args := []string{"--root", root, "--connections", strconv.FormatInt(w.Connections, 10)}
					if w.Outgoing {
						args = append(args, "--outgoing")
					}
					if pid != 0 {
						args = append(args, "--pid", strconv.Itoa(pid))
					}
					out, status := r.run(t, "check.sh", args...)
					var is, want strings.Builder
					for _, m := range line.FindAllStringSubmatch(out, -1) {
						fmt.Fprintln(&is, m[1], m[2], m[3])
					}
					short := 0
					for _, f := range Check(root, pid, w, h) {
						should := f.Should()
						if f.Verdict == OK {
							should = ""
						}
						fmt.Fprintln(&want, f.Verdict, f.Name, should)
						if !f.Verdict.Suits() {
							short = 1
						}
					}
					if is.String() != want.String() || status != short {
						t.Errorf("host %d, pid %d, %+v: exit status %d, want %d\n%s\nin Go\n%s", i, pid, w, status, short, is.String(), want.String())
					}
				}
			}
		}
	})
}

// TestWithoutDiff has a host without that program: the difference is one all the same, if a coarse one.
func TestWithoutDiff(t *testing.T) {
	for _, program := range []string{"busybox", "dash"} {
		if _, err := exec.LookPath(program); err != nil {
			skipUnlessCI(t, program+" is not installed: tuning/deps.sh does that")
			t.Skip()
		}
	}
	r := runner{words: []string{"dash"}, path: busyboxOnly(t)}
	root := small.write(t)
	out := r.must(t, 0, "apply.sh", "--root", root, "--connections", "20000", "--dry-run")
	for _, want := range []string{
		"--- a/running-values\n+++ b/running-values\n@@ -1,", "\n--- /dev/null\n+++ b/etc/sysctl.d/99-zz-stentor.conf\n@@ -0,0 +1,",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}
