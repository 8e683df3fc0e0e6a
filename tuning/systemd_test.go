package tuning

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// unitCase is a root with a unit written in some way. A text "-> x" is a link to x.
type unitCase struct {
	name  string
	files map[string]string
}

const (
	etcUnit  = "etc/systemd/system/stentor.service"
	libUnit  = "usr/lib/systemd/system/stentor.service"
	etcDrops = etcUnit + ".d/"
	libDrops = libUnit + ".d/"
	runDrops = "run/systemd/system/stentor.service.d/"
	begin    = "[Service]\nExecStart=/bin/true\n"
)

// oneFile are units of one file: what stands in [Service].
var oneFile = []string{
	"LimitNOFILE=1024:2048", "LimitNOFILE = 4096", "LimitNOFILE\t=\t 4096 ", "LimitNOFILE=infinity", "LimitNOFILE=1024:infinity", "LimitNOFILE=infinity:5", "LimitNOFILE=5:3",
	"LimitNOFILE=7\nLimitNOFILE=", "LimitNOFILE=7\nLimitNOFILE=abc", "LimitNOFILE=7\nLimitNOFILE=1K", "LimitNOFILE=0x10", "LimitNOFILE=0X1f", "LimitNOFILE=010", "LimitNOFILE=08",
	"LimitNOFILE=0b101", "LimitNOFILE=0o17", "LimitNOFILE=0x", "LimitNOFILE=+7", "LimitNOFILE=-1", "LimitNOFILE=0", "LimitNOFILE=00", "LimitNOFILE=1_000", "LimitNOFILE=\"5000\"", "LimitNOFILE=10 : 20",
	"LimitNOFILE=10: 20", "LimitNOFILE=10:", "LimitNOFILE=:10", "LimitNOFILE=1 # x", "LimitNOFILE=18446744073709551614", "LimitNOFILE=18446744073709551615", "LimitNOFILE=99999999999999999999", "LimitNOFILE=1:2:3",
	"LimitNOFILE=100:99", "LimitNOFILE=9:10", "LimitNOFILE=INFINITY", "limitnofile=5", "LimitNOFILE 5", "=5", "[Service", "LimitNOFILE=5\n[Broken\nLimitNOFILE=6",
	"#LimitNOFILE=5", ";LimitNOFILE=5", "  # LimitNOFILE=5", "LimitNOFILE=\\\n  5000", "LimitNOFILE=1\\\n# a comment\n; another\n", "LimitNOFILE=5 \\", "LimitNOFILE=5\\",
	"LimitNOFILE=6\\\\\nTasksMax=7", "LimitNOFILE=\\\n\nTasksMax=7", "LimitNOFILE=5\r\nTasksMax=7\r", "Environment=GOGC=1 \\\r\nGOMEMLIMIT=2MiB\r",
	"[Install]\nLimitNOFILE=5", "[Install]\nLimitNOFILE=5\n[Service]\nLimitNOFILE=6", " [Service] \n  LimitNOFILE=7", "[X-Mine]\nTasksMax=6", "[service]\nTasksMax=6", "[ Service ]\nTasksMax=6",
	"TasksMax=50%", "TasksMax=12.5%", "TasksMax=0.01%", "TasksMax=100%", "TasksMax=101%", "TasksMax=0%", "TasksMax=5.%", "TasksMax=.5%", "TasksMax=1.234%", "TasksMax=1K", "TasksMax=0", "TasksMax=infinity",
	"TasksMax=70\nTasksMax=", "TasksMax=70\nTasksMax=x", "TasksMax=0x20", "TasksMax=50 %", "TasksMax=-5", "TasksMax=-5%", "TasksMax=+5%",
	"Environment=GOGC=1", "Environment = GOGC=1", "Environment=\"GOGC=1\"", "Environment='GOGC=1' GOMEMLIMIT=5MiB", "Environment=\"A=b\" 'C=d e' GOGC=7", "Environment=\"X=GOGC=3\"", "Environment=GO\"GC=1\"2'3'4",
	"Environment=GOGC=\"1 2\"", "Environment=GOGC=1\\x32", "Environment=GOGC=1\\0623", "Environment=GOGC=\\u0037", "Environment=GOGC=\\U00000038", "Environment=GOGC=a\\sb", "Environment=GOGC=1 A=\\q GOMEMLIMIT=2MiB",
	"Environment=GOGC=1 \"A=2", "Environment=GOGC=1 A=2\\\\", "Environment=GOGC=\\x4 GOMEMLIMIT=2MiB", "Environment=GOGC=5 A=\\000", "Environment=GOGC=5 A=\\x00 GOMEMLIMIT=2MiB", "Environment=\"GOGC=\\\"5\\\"\"", "Environment='GOGC=\\'5'",
	"Environment=GOGC=1\nEnvironment=GOGC=2 GOGC=3\nEnvironment=GOMEMLIMIT=1GiB", "Environment=GOGC=1\nEnvironment=", "Environment=GOGC=1\nEnvironment=\nEnvironment=GOMEMLIMIT=1GiB", "Environment=GOGC=1\nEnvironment=\"\"", "Environment=GOGC=",
	"Environment=GOGC=1;GOMEMLIMIT=3MiB ; GOMEMLIMIT=4MiB # GOGC=5", "Environment=GOGC=1 \\\n  # GOGC=2\n  GOMEMLIMIT=3MiB", "Environment=GOGC=\\\n1", "Environment=GOGC GOMEMLIMIT=4MiB", "Environment=  GOGC=1\tGOMEMLIMIT=4MiB  ", "Environment=gogc=1", "Environment=GOGC =1",
	"Environment=-GOGC=1", "Environment=$GOGC=1 GOMEMLIMIT=$X", "Environment=GOGC=''", "Environment='' GOGC=4",
}

// severalFiles are units of several files, and units that are not there.
var severalFiles = []unitCase{
	{"nothing", map[string]string{}},
	{"masked", map[string]string{etcUnit: "-> /dev/null", libUnit: begin + "LimitNOFILE=5", etcDrops + "10-a.conf": "[Service]\nTasksMax=9"}},
	{"empty", map[string]string{etcUnit: "", libUnit: begin + "LimitNOFILE=5"}},
	{"etc hides lib", map[string]string{etcUnit: begin + "LimitNOFILE=5", libUnit: begin + "LimitNOFILE=6\nTasksMax=6"}},
	{"run hides lib", map[string]string{"run/systemd/system/stentor.service": begin + "LimitNOFILE=5", libUnit: begin + "TasksMax=6"}},
	{"local hides lib", map[string]string{"usr/local/lib/systemd/system/stentor.service": begin + "LimitNOFILE=5", libUnit: begin + "TasksMax=6"}},
	{"etc hides run and control hides etc", map[string]string{"run/systemd/system/stentor.service": begin + "LimitNOFILE=5", etcUnit: begin + "TasksMax=6", "etc/systemd/system.control/stentor.service": begin + "TasksMax=7"}},
	{"linked", map[string]string{etcUnit: "-> ../mine/stentor.service", "etc/systemd/mine/stentor.service": begin + "LimitNOFILE=5"}},
	{"a broken drop-in", map[string]string{libUnit: begin, etcDrops + "10-x.conf": "[Service]\nTasksMax=7\n[Broken\nLimitNOFILE=6", etcDrops + "20-x.conf": "[Service]\nLimitNOFILE=8"}},
	{"by name, not by directory", map[string]string{libUnit: begin + "LimitNOFILE=1", etcDrops + "10-a.conf": "[Service]\nLimitNOFILE=2", libDrops + "20-b.conf": "[Service]\nLimitNOFILE=3\nTasksMax=3", runDrops + "15-c.conf": "[Service]\nTasksMax=4"}},
	{"capitals come first", map[string]string{libUnit: begin, libDrops + "90-a.conf": "[Service]\nLimitNOFILE=2", libDrops + "90-Z.conf": "[Service]\nLimitNOFILE=3", libDrops + "9.conf": "[Service]\nLimitNOFILE=4", libDrops + "90.conf": "[Service]\nTasksMax=5", libDrops + "90-.conf": "[Service]\nTasksMax=6"}},
	{"etc hides the same name", map[string]string{libUnit: begin, libDrops + "50-x.conf": "[Service]\nLimitNOFILE=2\nTasksMax=7", etcDrops + "50-x.conf": "[Service]\nLimitNOFILE=3", "usr/local/lib/systemd/system/stentor.service.d/50-x.conf": "[Service]\nTasksMax=9"}},
	{"a masked drop-in", map[string]string{libUnit: begin, libDrops + "50-x.conf": "[Service]\nLimitNOFILE=2", runDrops + "50-x.conf": "-> /dev/null"}},
	{"an empty drop-in hides", map[string]string{libUnit: begin, libDrops + "50-x.conf": "[Service]\nLimitNOFILE=2", etcDrops + "50-x.conf": ""}},
	{"for all services", map[string]string{libUnit: begin + "TasksMax=1", "etc/systemd/system/service.d/55-all.conf": "[Service]\nLimitNOFILE=2\nTasksMax=2", libDrops + "50-x.conf": "[Service]\nLimitNOFILE=3", libDrops + "60-x.conf": "[Service]\nTasksMax=3"}},
	{"its own hides that for all", map[string]string{libUnit: begin, "etc/systemd/system/service.d/55-all.conf": "[Service]\nLimitNOFILE=2", libDrops + "55-all.conf": "[Service]\nTasksMax=3"}},
	{"names that do not count", map[string]string{libUnit: begin, etcDrops + ".10-hidden.conf": "[Service]\nLimitNOFILE=2", etcDrops + "20-x.conf~": "[Service]\nLimitNOFILE=3", etcDrops + "30-x.conf.dpkg-old": "[Service]\nLimitNOFILE=4", etcDrops + "40 with spaces.conf": "[Service]\nTasksMax=4"}},
	{"no section", map[string]string{libUnit: begin + "LimitNOFILE=1", etcDrops + "10-x.conf": "LimitNOFILE=2"}},
	{"reset by a drop-in", map[string]string{libUnit: begin + "Environment=GOGC=1 GOMEMLIMIT=2MiB\nTasksMax=5", etcDrops + "10-x.conf": "[Service]\nEnvironment=\nTasksMax=", etcDrops + "20-x.conf": "[Service]\nEnvironment=GOGC=3"}},
	{"a linked drop-in", map[string]string{libUnit: begin, etcDrops + "10-x.conf": "-> ../../mine", "etc/systemd/mine": "[Service]\nLimitNOFILE=2", etcDrops + "20-x.conf": "-> nowhere", libDrops + "20-x.conf": "[Service]\nTasksMax=3"}},
	{"control and later ones", map[string]string{libUnit: begin, "etc/systemd/system.control/stentor.service.d/50-TasksMax.conf": "[Service]\nTasksMax=3", etcDrops + "90-stentor-tuning.conf": "[Service]\nTasksMax=4"}},
	{"a byte order mark", map[string]string{libUnit: "\ufeff" + begin + "LimitNOFILE=3"}},
	{"no line at the end", map[string]string{libUnit: "[Service]\nLimitNOFILE=3\nExecStart=/bin/true"}},
}

// environmentFiles are units whose variables come from files, which the analyzer does not read.
func environmentFiles() []unitCase {
	var all []unitCase
	one := func(text string) {
		all = append(all, unitCase{fmt.Sprintf("%q in a file", text), map[string]string{libUnit: begin + "Environment=GOGC=99\nEnvironmentFile=/etc/default/stentor\n", "etc/default/stentor": text}})
	}
	for _, text := range []string{
		"GOGC=1", "GOGC=1\n", " GOGC = 1 \n", "GOGC=\"1\"\nGOMEMLIMIT='5MiB'\n", "#GOGC=1\n", "; GOGC=1\n  # GOGC=2\n", "GOGC=1 # x\n", "export GOGC=1\n", "GOGC\nGOMEMLIMIT=1MiB\n",
		"GOGC=\n", "GOGC=1\nGOGC=2\n", "GOGC=1\\\n2\n", "GOGC=a\\b\\\\c\n", "GOGC=\"a\\\"b\\\\c\\d\"\n", "GOGC='a\\'b'\n", "GOGC=\"1\n2\"\nGOMEMLIMIT=1MiB\n", "GOGC='1\n2'\n",
		"GOGC=\"1\"2\n", "GOGC=1\"2\"\n", "GOGC=\"1\" '2' 3 \n", "GOGC=\"1\\\n2\"\n", "GOGC=\"$A`b`\\$\"\n", "GOGC=1\r\nGOMEMLIMIT=2MiB\r\n", "\ufeffGOGC=1\n", "GOGC=\"1\n", "# a \\\nGOGC=1\nGOMEMLIMIT=2MiB\n", "GOGC=\t1\t\n",
		"GOGC==1\n", "=1\nGOGC=2\n", "GOGC=a=b\n", "GOGC=1\n\n\nGOMEMLIMIT=1MiB", "1GOGC=2\nGOGC=3\n", "GOGC=\xff\nGOMEMLIMIT=1MiB\n", "GOGC=%n\n",
	} {
		one(text)
	}
	unit := func(text string) {
		all = append(all, unitCase{fmt.Sprintf("%q", text), map[string]string{
			libUnit: begin + text + "\n", "etc/default/stentor": "GOGC=1\n", "etc/default/stentor.service": "GOGC=2\n", "etc/default/x1": "GOGC=3\nGOMEMLIMIT=3MiB\n", "etc/default/x2": "GOGC=4\n",
		}})
	}
	for _, text := range []string{
		"EnvironmentFile=-/etc/default/stentor", "EnvironmentFile=-/etc/default/none\nEnvironmentFile=/etc/default/x1", "EnvironmentFile=/etc/default/x2\nEnvironmentFile=/etc/default/x1", "EnvironmentFile=/etc/default/x1\nEnvironmentFile=",
		"EnvironmentFile=/etc/default/x*", "EnvironmentFile=/etc/default/x[12]", "EnvironmentFile=/etc/default/?1", "EnvironmentFile=-/etc/*/x?\nEnvironment=GOGC=7", "EnvironmentFile=/etc/default/x{1,2}",
		"EnvironmentFile=/etc/default/%p", "EnvironmentFile=/etc/default/%n", "EnvironmentFile=/etc/default/%N", "EnvironmentFile=/etc/default/%%", "EnvironmentFile=\"/etc/default/x1\"", "EnvironmentFile=etc/default/x1", "EnvironmentFile=-etc/default/x1", "EnvironmentFile=- /etc/default/x1", "EnvironmentFile=/etc/default/../default//x1",
		"EnvironmentFile=/etc/default/x1\nUnsetEnvironment=GOGC", "EnvironmentFile=/etc/default/x1\nUnsetEnvironment=GOGC=3", "EnvironmentFile=/etc/default/x1\nUnsetEnvironment=GOGC=4 GOMEMLIMIT\nUnsetEnvironment=", "UnsetEnvironment='GOGC' \"GOMEMLIMIT=3MiB\"\nEnvironmentFile=/etc/default/x1",
		"Environment=GOGC=5%%", "Environment=GOGC=%p GOMEMLIMIT=%n", "Environment=GOGC=%i%N", "Environment=GOGC=%z GOMEMLIMIT=1MiB", "Environment=%pGOGC=1", "Environment=GOGC=1 %%=3", "UnsetEnvironment=GOG%%", "Environment=GOGC=6\nUnsetEnvironment=%p GOGC",
		"Environment=GOGC=6\nPassEnvironment=GOGC", "PassEnvironment=PATH GOGC",
	} {
		unit(text)
	}
	return all
}

func unitCases() []unitCase {
	all := slices.Clone(severalFiles)
	for _, text := range oneFile {
		all = append(all, unitCase{fmt.Sprintf("%q", text), map[string]string{libUnit: begin + text + "\n"}})
	}
	return all
}

func (c unitCase) write(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	c.writeTo(t, root)
	return root
}

func (c unitCase) writeTo(t *testing.T, root string) {
	t.Helper()
	files := map[string]string{}
	for _, name := range []string{"pid_max", "threads-max"} { // systemd takes shares of this host's
		is, err := os.ReadFile("/proc/sys/kernel/" + name)
		if err != nil {
			t.Fatal(err)
		}
		files["proc/sys/kernel/"+name] = string(is)
	}
	for path, text := range c.files {
		files[path] = text
	}
	for path, text := range files {
		file := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if to, ok := strings.CutPrefix(text, "-> "); ok {
			err = os.Symlink(to, file)
		} else {
			err = os.WriteFile(file, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// reading is what somebody made of a unit.
type reading struct {
	drops                 string // the drop-ins, in order
	nofile, tasks, gc, mb string
}

// systemdReading has systemd read the unit of a root: its analyzer loads it as the manager does, and shows it.
func systemdReading(t *testing.T, root string) reading {
	t.Helper()
	cmd := exec.Command("systemd-analyze", "--root="+root, "--man=no", "verify", Unit)
	cmd.Env = append(os.Environ(), "SYSTEMD_LOG_LEVEL=debug", "SYSTEMD_LOG_TARGET=console", "SYSTEMD_LOG_COLOR=0", "LC_ALL=C")
	out, _ := cmd.CombinedOutput() // it may complain of the unit, and always of targets that are not there
	_, shown, ok := strings.Cut(string(out), "\t-> Unit "+Unit+":\n")
	if !ok {
		return reading{}
	}
	shown, _, _ = strings.Cut(shown, "\t-> Unit ")
	var r reading
	for line := range strings.Lines(shown) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		name, v, _ := strings.Cut(value, "=")
		switch {
		case key == "DropIn Path":
			r.drops += strings.TrimPrefix(value, root) + "\n"
		case key == "LimitNOFILE":
			r.nofile = strings.Replace(value, "18446744073709551615", "infinity", 1)
		case key == "TasksMax":
			r.tasks = strings.Replace(value, "18446744073709551615", "", 1) // its default here, and what infinity looks like
		case key == "Environment" && name == "GOGC":
			r.gc = v
		case key == "Environment" && name == "GOMEMLIMIT":
			r.mb = v
		}
	}
	return r
}

func goReading(root string) reading {
	u := loadUnit(root)
	r := reading{nofile: u.keys["LimitNOFILE"].value, tasks: strings.Replace(u.keys["TasksMax"].value, "infinity", "", 1), gc: u.env["GOGC"].value, mb: u.env["GOMEMLIMIT"].value}
	for _, file := range u.files {
		if filepath.Base(file) != Unit {
			r.drops += u.below(file) + "\n"
		}
	}
	return r
}

// TestUnitAsSystemd compares what is read here with what systemd reads.
func TestUnitAsSystemd(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		skipUnlessCI(t, "systemd-analyze is not installed: tuning/deps.sh does that")
		t.Skip()
	}
	for _, c := range unitCases() {
		root := c.write(t)
		is, want := goReading(root), systemdReading(t, root)
		if is != want {
			t.Errorf("%s: read as\n%+v\nby systemd\n%+v", c.name, is, want)
		}
	}
}

// TestUnitInShells compares what unit.awk reads with what unit.go does.
func TestUnitInShells(t *testing.T) {
	type one struct{ root, want, name string }
	var cases []one
	for _, c := range slices.Concat(unitCases(), environmentFiles()) {
		root := c.write(t)
		u := loadUnit(root)
		want := ""
		for _, a := range []assigned{u.keys["LimitNOFILE"], u.keys["TasksMax"], u.env["GOGC"], u.env["GOMEMLIMIT"]} {
			file := ""
			if a.file != "" {
				file = follow(root, a.file)
			}
			want += a.value + "|" + file + "\n"
		}
		cases = append(cases, one{root, want, c.name})
	}
	var script strings.Builder
	script.WriteString("set -eu\nprogram=test here=.\n. ./common.sh\nvalue() { unit_value \"$@\"; printf '%s|%s\\n' \"$it\" \"$where\"; }\n")
	for _, c := range cases {
		fmt.Fprintf(&script, "root=%s\nvalue systemd LimitNOFILE\nvalue systemd TasksMax\nvalue environment GOGC\nvalue environment GOMEMLIMIT\necho =\n", c.root)
	}
	file := filepath.Join(t.TempDir(), "units.sh")
	if err := os.WriteFile(file, []byte(script.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	inShells(t, func(t *testing.T, r runner) {
		cmd := exec.Command(r.words[0], append(r.words[1:], file)...)
		cmd.Env = append(os.Environ(), "PATH="+r.path)
		out, err := cmd.CombinedOutput()
		parts := strings.Split(string(out), "=\n")
		if err != nil || len(parts) != len(cases)+1 {
			t.Fatalf("%v, %d parts\n%s", err, len(parts), out[max(0, len(out)-500):])
		}
		for i, c := range cases {
			if strings.ReplaceAll(parts[i], "/system/stentor.service.d/../..", "") != c.want && strings.ReplaceAll(parts[i], "/system/..", "") != c.want {
				t.Errorf("%s:\n%sin Go\n%s", c.name, parts[i], c.want)
			}
		}
	})
}
