package tuning

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestMemoryOfGroups has control groups of both versions, of hosts and of containers.
func TestMemoryOfGroups(t *testing.T) {
	const mib, all = 1024, 4 << 20
	cases := []struct {
		name, cgroup string
		files        map[string]string
		want         int64 // KiB
	}{
		{"a host", "0::/\n", map[string]string{}, all},
		{"a container whose group is the root of its namespace", "0::/\n", map[string]string{"memory.max": "536870912"}, 512 * mib},
		{"no limit", "0::/\n", map[string]string{"memory.max": "max"}, all},
		{"a service", "0::/system.slice/a.service\n", map[string]string{"system.slice/memory.max": "max", "system.slice/a.service/memory.max": "1073741824"}, 1024 * mib},
		{"the slice has less", "0::/system.slice/a.service\n", map[string]string{"system.slice/memory.max": "536870912", "system.slice/a.service/memory.max": "1073741824"}, 512 * mib},
		{"the container has less than the service in it", "0::/system.slice/a.service\n", map[string]string{"memory.max": "268435456", "system.slice/a.service/memory.max": "1073741824"}, 256 * mib},
		{"outside of the namespace", "0::/../x\n", map[string]string{"memory.max": "536870912", "x/memory.max": "1048576"}, 512 * mib},
		{"a name with colons and spaces", "0::/a:b c.scope\n", map[string]string{"a:b c.scope/memory.max": "536870912"}, 512 * mib},
		{"more than the host has", "0::/\n", map[string]string{"memory.max": "1125899906842624"}, all},
		{"v1, unlimited", "4:memory:/\n1:name=systemd:/\n", map[string]string{"memory/memory.limit_in_bytes": "9223372036854771712"}, all},
		{"v1, of a container", "9:cpu,cpuacct:/docker/0f\n4:memory:/docker/0f\n", map[string]string{"memory/memory.limit_in_bytes": "536870912"}, 512 * mib},
		{"v1, the root", "4:memory:/\n", map[string]string{"memory/memory.limit_in_bytes": "536870912"}, 512 * mib},
		{"v1, a service", "4:hugetlb,memory:/a/b\n", map[string]string{"memory/memory.limit_in_bytes": "9223372036854771712", "memory/a/b/memory.limit_in_bytes": "1073741824", "memory/a/memory.limit_in_bytes": "9223372036854771712"}, 1024 * mib},
		{"v1, of another controller", "4:memory_more:/a\n5:pids:/a\n", map[string]string{"memory/a/memory.limit_in_bytes": "1", "a/memory.max": "1"}, all},
		{"both", "4:memory:/a\n0::/b\n", map[string]string{"memory/a/memory.limit_in_bytes": "536870912"}, 512 * mib},
		{"no file", "", map[string]string{"memory.max": "536870912"}, all},
	}
	var script, want strings.Builder
	script.WriteString("set -eu\nprogram=test pid=\n. ./common.sh\n")
	for _, c := range cases {
		files := map[string]string{"proc/self/cgroup": c.cgroup}
		for name, text := range c.files {
			files["sys/fs/cgroup/"+name] = text + "\n"
		}
		root := fakeHost{memory: all, cores: 1, files: files}.write(t)
		h, err := Inspect(root)
		if is := Available(root, 0, h); err != nil || is != c.want || h.Memory != all {
			t.Errorf("%s: %d KiB, want %d (%v)", c.name, is, c.want, err)
		}
		fmt.Fprintf(&script, "root='%s'\nfacts\necho '%s:' $available $memory\n", root, c.name)
		fmt.Fprintf(&want, "%s: %d %d\n", c.name, c.want, all)
	}
	file := filepath.Join(t.TempDir(), "groups.sh")
	if err := os.WriteFile(file, []byte(script.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	inShells(t, func(t *testing.T, r runner) {
		cmd := exec.Command(r.words[0], append(r.words[1:], file)...)
		cmd.Env = append(os.Environ(), "PATH="+r.path)
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != want.String() {
			t.Errorf("%v\n%s\nwant\n%s", err, out, want.String())
		}
	})
}

// What a unit may say that suffices for the connections of these tests, and what does not.
const (
	high = "LimitNOFILE=2000000\nTasksMax=infinity\nEnvironment=\"A=b\" 'GOMEMLIMIT=1TiB'\n"
	low  = "LimitNOFILE = 1024:2048\nTasksMax=12\nEnvironment=A=b GOMEMLIMIT=5MiB\n"
)

const forceConnections = 100000

// forceCases are units for apply.sh.
var forceCases = []struct {
	name  string
	files map[string]string
	wins  string // the file that does, over the drop-in of apply.sh
}{
	{"low", map[string]string{etcUnit: begin + low}, ""},
	{"high", map[string]string{etcUnit: begin + high}, ""},
	{"off", map[string]string{etcUnit: begin + high + "Environment=GOMEMLIMIT=off"}, ""},
	{"high, then low before ours", map[string]string{libUnit: begin + high, libDrops + "10-x.conf": "[Service]\n" + low}, ""},
	{"low, then high before ours", map[string]string{libUnit: begin + low, runDrops + "10-x.conf": "[Service]\n" + high}, ""},
	{"a later one is low", map[string]string{libUnit: begin + high, runDrops + "95-x.conf": "[Service]\n" + low}, "/" + runDrops + "95-x.conf"},
	{"a later one is high", map[string]string{libUnit: begin + low, runDrops + "95-x.conf": "[Service]\n" + high}, ""},
	{"a later one resets", map[string]string{libUnit: begin + high, "etc/systemd/system/service.d/99-x.conf": "[Service]\nTasksMax=5\nEnvironment=\nLimitNOFILE=\n"}, "/etc/systemd/system/service.d/99-x.conf"},
	{"the same name before ours", map[string]string{libUnit: begin + low, "etc/systemd/system.control/stentor.service.d/" + dropIn: "[Service]\nLimitNOFILE=5\n"}, "/etc/systemd/system.control/stentor.service.d/" + dropIn},
	{"an environment file", map[string]string{libUnit: begin + "EnvironmentFile=-/etc/default/stentor\n", "etc/default/stentor": "# x\nGOMEMLIMIT=\"5MiB\"\n"}, "/etc/default/stentor"},
	{"unset", map[string]string{libUnit: begin + "UnsetEnvironment=GOMEMLIMIT\n"}, "unsets it"},
	{"masked", map[string]string{etcUnit: "-> /dev/null"}, "masked"},
}

// forceRoot writes a host with the unit of a case.
func forceRoot(t *testing.T, name string, files map[string]string) string {
	t.Helper()
	host := small
	host.files = map[string]string{}
	root := host.write(t)
	if err := os.RemoveAll(filepath.Join(root, "etc/systemd")); err != nil {
		t.Fatal(err)
	}
	unitCase{name, files}.writeTo(t, root)
	return root
}

// TestApplyInForce has a unit written in many ways: after apply.sh every limit suffices by systemd's own reading, or the
// script says so, names the file that wins and does not say that all is done. What is higher stays.
func TestApplyInForce(t *testing.T) {
	for _, c := range forceCases {
		inShells(t, func(t *testing.T, r runner) {
			root := forceRoot(t, c.name, c.files)
			before := loadUnit(root)
			begin := snapshot(t, root)
			args := []string{"--root", root, "--connections", strconv.Itoa(forceConnections), "--yes"}
			for range 2 { // the second time nothing is to be changed, and what is not in force still is not
				out, status := r.run(t, "apply.sh", args...)
				if c.wins == "" && (status != 0 || strings.Contains(out, "stays")) || c.wins != "" && (status != 1 || !strings.Contains(out, c.wins)) || strings.Contains(out, "\ndone; ") && c.wins != "" {
					t.Errorf("%s: exit status %d, want a word of %q\n%s", c.name, status, c.wins, out)
				}
			}
			for _, s := range Settings(Want{Connections: forceConnections}, Host{Memory: small.memory, Page: 4, Cores: 4}) {
				if s.Kind != Systemd && s.Name != "GOMEMLIMIT" || c.wins != "" {
					continue
				}
				is, was := loadUnit(root).keys[s.Name], before.keys[s.Name]
				if s.Kind == Environment {
					is, was = loadUnit(root).env[s.Name], before.env[s.Name]
				}
				if ok, _ := s.met(mebibytes(s.Name, is.value)); !ok {
					t.Errorf("%s: %s is %q in %s", c.name, s.Name, is.value, is.file)
				}
				if ok, _ := s.met(mebibytes(s.Name, was.value)); ok && is != was {
					t.Errorf("%s: %s sufficed with %q and is now %q", c.name, s.Name, was.value, is.value)
				}
			}
			if _, err := exec.LookPath("systemd-analyze"); err == nil && c.wins == "" {
				if is, by := goReading(root), systemdReading(t, root); is != by {
					t.Errorf("%s: read as %+v, by systemd %+v", c.name, is, by)
				}
			}
			r.must(t, 0, "revert.sh", "--root", root, "--yes")
			if now := changed(begin, snapshot(t, root)); len(now) > 0 {
				t.Errorf("%s: after revert.sh: %q", c.name, now)
			}
		})
	}
}

// TestScriptsAnywhere runs the scripts through a link, from another directory, with a CDPATH, in another language.
func TestScriptsAnywhere(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	inShells(t, func(t *testing.T, r runner) {
		root := small.write(t)
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, "a b/sbin"), 0o755); err != nil {
			t.Fatal(err)
		}
		link := filepath.Join(dir, "a b/sbin/apply")
		for to, name := range map[string]string{"../../again": link, here + "/apply.sh": filepath.Join(dir, "again")} {
			if err := os.Symlink(to, name); err != nil {
				t.Fatal(err)
			}
		}
		want := r.must(t, 0, "apply.sh", "--root", root, "--connections", "1000", "--dry-run")
		rel, err := filepath.Rel(filepath.Dir(here), here)
		if err != nil {
			t.Fatal(err)
		}
		for _, run := range []struct{ in, script string }{{dir, link}, {dir, "a b/sbin/apply"}, {filepath.Dir(here), rel + "/apply.sh"}, {here, "apply.sh"}, {"/", here + "/apply.sh"}} {
			langs := []string{"tr_TR.UTF-8"}
			if run.script == link { // one place is enough for all
				langs = append(langs, "C", "de_DE.UTF-8", "C.UTF-8")
			}
			for _, lang := range langs {
				cmd := exec.Command(r.words[0], slices.Concat(r.words[1:], []string{run.script, "--root", root, "--connections", "1000", "--dry-run"})...)
				cmd.Dir = run.in
				cmd.Env = append(os.Environ(), "STENTOR_TUNING_ROOT=", "LC_ALL="+lang, "CDPATH="+dir+":"+filepath.Dir(here)+":.", "PATH="+r.path)
				if out, err := cmd.CombinedOutput(); err != nil || string(out) != want {
					t.Errorf("%+v, %s: %v\n%s", run, lang, err, out)
				}
			}
		}
	})
}
