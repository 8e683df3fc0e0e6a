package tuning

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Verdict is what a check found.
type Verdict string

// The verdicts.
const (
	OK      Verdict = "ok"
	Short   Verdict = "short" // it bounds the connections below the wanted number
	Low     Verdict = "too low"
	High    Verdict = "too high"
	Differs Verdict = "differs" // a wrong word
	Unset   Verdict = "unset"
	Unknown Verdict = "unknown" // it cannot be read, or does not exist
)

// Suits reports whether there is nothing to do.
func (v Verdict) Suits() bool { return v == OK || v == Unknown }

// Finding is a setting, its present value, and what to do.
type Finding struct {
	Setting
	Is      string  `json:"is"`
	Where   string  `json:"where,omitempty"` // the file that sets it; for Rlimit, Systemd and Environment
	Verdict Verdict `json:"verdict"`
	Mend    string  `json:"mend,omitempty"` // a command or other advice; "" when Verdict suits
}

// Check compares the host whose root directory is root with what w needs. Limits and environment are those of process pid;
// with 0 the limits are this process's, and the environment is the one that Unit would give.
func Check(root string, pid int, w Want, h Host) []Finding {
	p := process{root: root, pid: pid, many: w.Connections >= manyConnections, unit: loadUnit(root)}
	var all []Finding
	for _, s := range Settings(w, h) {
		f := Finding{Setting: s}
		f.Is, f.Where, f.Verdict = p.judge(&s, h)
		if !f.Verdict.Suits() {
			f.Mend = p.mend(&f, w)
		}
		f.Where = p.unit.below(f.Where)
		all = append(all, f)
	}
	return all
}

// process is the process whose limits are read.
type process struct {
	root string
	pid  int
	many bool
	unit *unit
}

func (p *process) judge(s *Setting, h Host) (is, where string, v Verdict) {
	unset := Unknown
	var err error
	switch s.Kind {
	case Memory:
		is = strconv.FormatInt(Available(p.root, p.pid, h), 10)
	case Sysctl, Sys, Module:
		is, err = read(p.root, s.Path)
	case Rlimit:
		is, where, err = p.logins(s)
	case Systemd:
		is, where, err = p.unitKey(s.Name)
	case Environment:
		is, where, unset, err = p.environment(s.Name)
	case Service:
		is = p.running(s.Name)
	case Socket:
		return "set by the node", "", OK
	}
	if err != nil {
		return "", "", Unknown
	}
	if is == "" {
		return "", "", unset
	}
	number := is
	if s.Kind == Environment {
		number = mebibytes(s.Name, is)
	}
	ok, known := s.met(number)
	switch {
	case !known:
		return is, where, Unknown
	case ok:
		return is, where, OK
	case s.Kind == Service:
		return is, where, Unknown // interrupts may have been spread in another way
	}
	return is, where, s.miss(number)
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

// logins returns the limit of the process, and the file that gives logins less than s needs. When the process has enough and
// logins do not, is is the limit of the next login.
func (p *process) logins(s *Setting) (is, where string, err error) {
	is, err = p.openFiles()
	if p.pid != 0 {
		return is, "", err
	}
	entry, short := shortLogin(p.root, s)
	if ok, _ := s.met(is); ok && short {
		is = entry.value
	}
	return is, entry.file, err
}

// unitKey returns the value of a key in the unit's files, and the file; "" when there is no unit, or it does not set the key.
// For a running process it returns the actual limit.
func (p *process) unitKey(key string) (is, where string, err error) {
	switch {
	case p.pid != 0 && key == "TasksMax":
		if least := p.least("pids", "pids.max", "pids.max"); least < unlimited {
			return strconv.FormatInt(least, 10), "", nil
		}
		return "infinity", "", nil
	case p.pid != 0 && key == "LimitNOFILE":
		is, err = p.openFiles()
		return is, "", err
	}
	a := p.unit.keys[key]
	return a.value, a.file, nil
}

// environment returns a variable, the file that sets it, and the verdict when it is not set.
func (p *process) environment(name string) (is, where string, unset Verdict, err error) {
	unset = OK // for GOGC, and for GOMEMLIMIT with few connections
	if name == "GOMEMLIMIT" && p.many {
		unset = Unset
	}
	if p.pid != 0 {
		text, err := os.ReadFile(filepath.Join(p.root, p.proc(), "environ"))
		for v := range strings.SplitSeq(string(text), "\x00") {
			if value, ok := strings.CutPrefix(v, name+"="); ok {
				is = value
			}
		}
		return is, "", unset, err
	}
	if len(p.unit.files) == 0 {
		return "", "", Unknown, nil
	}
	a := p.unit.env[name]
	return a.value, a.file, unset, nil
}

// mebibytes returns GOMEMLIMIT in MiB; "off" is unlimited. It returns other variables unchanged.
func mebibytes(name, value string) string {
	switch {
	case name != "GOMEMLIMIT":
		return value
	case value == "off":
		return "unlimited"
	}
	digits, shift := value, 0
	for i, unit := range []string{"B", "KiB", "MiB", "GiB", "TiB"} {
		if d, ok := strings.CutSuffix(value, unit); ok && strings.Trim(d, "0123456789") == "" {
			digits, shift = d, 10*i
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || n > unlimited>>shift {
		return value // Go refuses it too
	}
	return strconv.FormatUint(n<<shift>>20, 10)
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

// least returns the lowest limit among the process's control group and its parents, or unlimited. In version 2 of control
// groups all controllers share one hierarchy, in version 1 each has its own. The root group is read too: it may be a
// container's own group. A host's root group has no such file, or no limit in it.
func (p *process) least(controller, v2, v1 string) int64 {
	least := int64(unlimited)
	text, _ := os.ReadFile(filepath.Join(p.root, p.proc(), "cgroup"))
	for line := range strings.Lines(string(text)) {
		part := strings.SplitN(strings.TrimRight(line, "\n"), ":", 3)
		if len(part) < 3 {
			continue
		}
		dir, file := "sys/fs/cgroup", v2
		if part[0] != "0" || part[1] != "" {
			if !slices.Contains(strings.Split(part[1], ","), controller) {
				continue
			}
			dir, file = filepath.Join(dir, controller), v1
		}
		// A path outside of the namespace begins with /..: only the root group can be read.
		group := part[2]
		if strings.HasPrefix(group+"/", "/../") {
			group = "/"
		}
		for group = filepath.Clean("/" + group); ; group = filepath.Dir(group) {
			is, err := read(p.root, filepath.Join(dir, group, file))
			if n, e := strconv.ParseInt(is, 10, 64); err == nil && e == nil {
				least = min(least, n)
			}
			if group == "/" {
				break
			}
		}
	}
	return least
}

// Available returns the memory in KiB that the process (0: this one) may use: the host's, or less where its control groups
// limit it. Sockets are charged to these too.
func Available(root string, pid int, h Host) int64 {
	p := process{root: root, pid: pid}
	return min(h.Memory, p.least("memory", "memory.max", "memory.limit_in_bytes")>>10)
}

// mend says how to fix a finding.
func (p *process) mend(f *Finding, w Want) string {
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
		if winsOverLimits(f.Where) {
			return fmt.Sprintf("change nofile in %s, which wins over what apply.sh would set in /%s; then log in again", p.unit.below(f.Where), limitsFile)
		}
		return apply + " and log in again; for this shell, as root: ulimit -n " + f.Value
	}
	if p.unit.overrides(f.Where) {
		return fmt.Sprintf("change %s in %s, which wins over what apply.sh would set in %s; then restart the node", f.Name, p.unit.below(f.Where), dropIn)
	}
	return apply + " and restart the node"
}
