package tuning

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Verdict is what a check found.
type Verdict string

// The verdicts.
const (
	OK      Verdict = "ok"
	Short   Verdict = "short"
	Unknown Verdict = "unknown" // it cannot be read, or is not there
)

// Finding is a setting, what there is of it, and what to do.
type Finding struct {
	Setting
	Is      string  `json:"is"`
	Verdict Verdict `json:"verdict"`
	Mend    string  `json:"mend,omitempty"` // a command, or what else helps; only where Verdict is Short
}

// Check compares the host whose root directory is root with what w needs. With a pid the process counts for limits and
// environment; with 0 the limits of this process, and the environment that the unit of Unit would give.
func Check(root string, pid int, w Want, h Host) []Finding {
	p := process{root: root, pid: pid}
	var all []Finding
	for _, s := range Settings(w, h) {
		f := Finding{Setting: s}
		f.Is, f.Verdict = p.judge(&s, h)
		if f.Verdict == Short {
			f.Mend = mend(&f, w)
		}
		all = append(all, f)
	}
	return all
}

// Unit is the systemd unit whose files are looked at.
const Unit = "stentor.service"

// process is where the limits are read.
type process struct {
	root string
	pid  int
}

func (p *process) judge(s *Setting, h Host) (is string, v Verdict) {
	unset := Unknown
	var err error
	switch s.Kind {
	case Memory:
		is = strconv.FormatInt(min(h.Memory, p.memoryMax()), 10)
	case Sysctl, Sys, Module:
		is, err = read(p.root, s.Path)
	case Rlimit:
		is, err = p.openFiles()
	case Systemd:
		is, err = p.unitKey(s.Name)
	case Environment:
		is, unset, err = p.environment(s.Name)
	case Service:
		is = p.running(s.Name)
	case Socket:
		return "set by the node", OK
	}
	if err != nil {
		return "", Unknown
	}
	if is == "" {
		return "", unset
	}
	number := is
	if s.Kind == Environment {
		number = mebibytes(s.Name, is)
	}
	ok, known := s.met(number)
	switch {
	case !known:
		return is, Unknown
	case ok:
		return is, OK
	case s.Kind == Service:
		return is, Unknown // interrupts may have been spread otherwise
	}
	return is, Short
}

// proc is the directory of the process in /proc.
func (p *process) proc() string {
	if p.pid == 0 {
		return "proc/self"
	}
	return "proc/" + strconv.Itoa(p.pid)
}

// openFiles returns the hard limit of descriptors.
func (p *process) openFiles() (string, error) {
	text, err := os.ReadFile(filepath.Join(p.root, p.proc(), "limits"))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
			if f := strings.Fields(rest); len(f) >= 2 {
				return f[1], nil
			}
		}
	}
	return "", fmt.Errorf("%s/limits: no line Max open files", p.proc())
}

// unitKey returns the last value of a key in the unit's files; "" when there is no unit, or it says nothing.
func (p *process) unitKey(key string) (string, error) {
	if key == "TasksMax" && p.pid != 0 {
		return read(p.root, filepath.Join("sys/fs/cgroup", p.cgroup(), "pids.max"))
	}
	if key == "LimitNOFILE" && p.pid != 0 {
		return p.openFiles()
	}
	value := ""
	for _, line := range p.unitLines() {
		if k, v, ok := strings.Cut(line, "="); ok && strings.TrimSpace(k) == key {
			value = strings.TrimSpace(v)
		}
	}
	if _, hard, ok := strings.Cut(value, ":"); ok {
		value = hard // soft:hard
	}
	return value, nil
}

// unitLines returns the lines of the unit and of what is dropped in, in the order in which systemd reads them.
func (p *process) unitLines() []string {
	var lines []string
	for _, dir := range []string{"usr/lib/systemd/system", "etc/systemd/system"} {
		if text, err := os.ReadFile(filepath.Join(p.root, dir, Unit)); err == nil {
			lines = strings.Split(string(text), "\n")
		}
	}
	drops, _ := filepath.Glob(filepath.Join(p.root, "etc/systemd/system", Unit+".d", "*.conf"))
	for _, name := range drops {
		if text, err := os.ReadFile(name); err == nil {
			lines = append(lines, strings.Split(string(text), "\n")...)
		}
	}
	return lines
}

// environment returns a variable, and what it means when it is not set.
func (p *process) environment(name string) (is string, unset Verdict, err error) {
	unset = OK // GOGC
	if name == "GOMEMLIMIT" {
		unset = Short
	}
	if p.pid != 0 {
		text, err := os.ReadFile(filepath.Join(p.root, p.proc(), "environ"))
		for v := range strings.SplitSeq(string(text), "\x00") {
			if value, ok := strings.CutPrefix(v, name+"="); ok {
				is = value
			}
		}
		return is, unset, err
	}
	lines := p.unitLines()
	if len(lines) == 0 {
		return "", Unknown, nil
	}
	for _, line := range lines {
		if v, ok := strings.CutPrefix(line, "Environment="+name+"="); ok {
			is = strings.TrimSpace(v)
		}
	}
	return is, unset, nil
}

// mebibytes reads GOMEMLIMIT as whole MiB; anything else is returned as it is.
func mebibytes(name, value string) string {
	switch {
	case name != "GOMEMLIMIT":
		return value
	case value == "off":
		return "0"
	}
	for unit, shift := range map[string]int{"KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40} {
		if n, err := strconv.ParseInt(strings.TrimSuffix(value, unit), 10, 64); err == nil && strings.HasSuffix(value, unit) {
			return strconv.FormatInt(n<<shift>>20, 10)
		}
	}
	n, err := strconv.ParseInt(strings.TrimSuffix(value, "B"), 10, 64)
	if err != nil {
		return value
	}
	return strconv.FormatInt(n>>20, 10)
}

// running looks for a process by the name of its program.
func (p *process) running(name string) string {
	all, _ := filepath.Glob(filepath.Join(p.root, "proc/[0-9]*/comm"))
	for _, file := range all {
		if text, err := os.ReadFile(file); err == nil && strings.TrimSpace(string(text)) == name {
			return "running"
		}
	}
	return "not running"
}

// cgroup returns the process's group in the unified hierarchy.
func (p *process) cgroup() string {
	text, _ := os.ReadFile(filepath.Join(p.root, p.proc(), "cgroup"))
	for line := range strings.Lines(string(text)) {
		if group, ok := strings.CutPrefix(line, "0::"); ok {
			return strings.TrimSpace(group)
		}
	}
	return ""
}

// memoryMax is the least memory.max above the process in KiB: sockets are charged to it too.
func (p *process) memoryMax() int64 {
	least := int64(unlimited)
	for group := p.cgroup(); group != "" && group != "/" && group != "."; group = filepath.Dir(group) {
		is, err := read(p.root, filepath.Join("sys/fs/cgroup", group, "memory.max"))
		if n, e := strconv.ParseInt(is, 10, 64); err == nil && e == nil {
			least = min(least, n>>10)
		}
	}
	return least
}

// mend says what helps.
func mend(f *Finding, w Want) string {
	apply := fmt.Sprintf("sudo tuning/apply.sh --connections %d", w.Connections)
	if w.Outgoing {
		apply += " --outgoing"
	}
	switch f.Kind {
	case Memory:
		have, _ := number(f.Is)
		return fmt.Sprintf("more memory, or fewer connections: %d fit (limits.connections)", w.Fit(have))
	case Sysctl:
		return fmt.Sprintf("sudo sysctl -w %s='%s'", f.Name, f.merge(f.Is))
	case Sys, Module:
		return fmt.Sprintf("echo %s | sudo tee /%s", f.merge(f.Is), f.Path)
	case Rlimit:
		return apply + " and log in again; for this shell, as root: ulimit -n " + f.Value
	}
	return apply + " and restart the node"
}
