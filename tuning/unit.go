package tuning

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Unit is the systemd unit whose files are read.
const Unit = "stentor.service"

// dropIn is the drop-in that apply.sh writes. Of two drop-ins the one with the later name wins.
const dropIn = "90-stentor-tuning.conf"

// unitDirs are the directories with units, highest priority first (systemd.unit(5), "Unit File Load Path").
var unitDirs = []string{
	"etc/systemd/system.control", "run/systemd/system.control", "run/systemd/transient", "run/systemd/generator.early",
	"etc/systemd/system", "etc/systemd/system.attached", "run/systemd/system", "run/systemd/system.attached", "run/systemd/generator",
	"usr/local/lib/systemd/system", "lib/systemd/system", "usr/lib/systemd/system", "run/systemd/generator.late",
}

// assigned is a value and the file that sets it.
type assigned struct{ value, file string }

// unit has the settings in the files of stentor.service, read as systemd reads them: systemd.unit(5), systemd.syntax(7),
// systemd.exec(5). unit.awk does the same for the scripts.
type unit struct {
	root     string
	files    []string // those that were read, in systemd's order
	keys     map[string]assigned
	env      map[string]assigned
	unset    []string // UnsetEnvironment
	envFiles []string // EnvironmentFile
}

// loadUnit reads the unit. A masked unit is empty.
func loadUnit(root string) *unit {
	u := &unit{root: root, keys: map[string]assigned{}, env: map[string]assigned{}}
	u.files = unitFiles(root)
	for i, file := range u.files {
		if !u.readFile(file) && i == 0 && filepath.Base(file) == Unit {
			return &unit{root: root} // systemd does not load it
		}
	}
	for _, file := range u.envFiles {
		u.readEnvironment(file)
	}
	for name, a := range u.env {
		if slices.Contains(u.unset, name) || slices.Contains(u.unset, name+"="+a.value) {
			delete(u.env, name)
		}
	}
	return u
}

// unitFiles returns the unit's file and its drop-ins.
func unitFiles(root string) []string {
	var files []string
	for _, dir := range unitDirs {
		file := filepath.Join(root, dir, Unit)
		info, err := os.Stat(follow(root, file))
		if err != nil {
			continue
		}
		if info.Size() == 0 {
			return nil // masked: /dev/null, or an empty file
		}
		files = append(files, file)
		break
	}
	seen := map[string]bool{}
	var drops []string
	for _, of := range []string{Unit, "service"} { // service.d applies to all services
		for _, dir := range unitDirs {
			entries, _ := os.ReadDir(filepath.Join(root, dir, of+".d"))
			for _, e := range entries {
				file := filepath.Join(root, dir, of+".d", e.Name())
				if !strings.HasSuffix(e.Name(), ".conf") || strings.HasPrefix(e.Name(), ".") || seen[e.Name()] {
					continue
				}
				if info, err := os.Stat(follow(root, file)); err == nil && info.IsDir() {
					continue
				}
				seen[e.Name()] = true
				drops = append(drops, file)
			}
		}
	}
	slices.SortFunc(drops, func(a, b string) int { return cmp.Compare(filepath.Base(a), filepath.Base(b)) })
	return append(files, drops...)
}

// overrides reports whether a file wins over what apply.sh drops in: one of a later name, one of the same name that hides
// it, or an EnvironmentFile.
func (u *unit) overrides(file string) bool {
	if !slices.Contains(u.files, file) {
		return file != ""
	}
	name, dir := filepath.Base(file), strings.TrimPrefix(filepath.Dir(filepath.Dir(u.below(file))), "/")
	hides := slices.Index(unitDirs, dir) < slices.Index(unitDirs, "etc/systemd/system")
	return name != Unit && (name > dropIn || name == dropIn && hides)
}

// below returns the name of a file as it is below the root.
func (u *unit) below(file string) string {
	if rel, err := filepath.Rel(u.root, file); err == nil && file != "" {
		return "/" + rel
	}
	return file
}

// follow returns the target of a link. Absolute links are resolved below root.
func follow(root, file string) string {
	for range 40 {
		to, err := os.Readlink(file)
		switch {
		case err != nil || to == os.DevNull:
			return file
		case filepath.IsAbs(to):
			file = filepath.Join(root, to)
		default:
			file = filepath.Join(filepath.Dir(file), to)
		}
	}
	return file
}

// text returns a file's text with \n for \r\n and without a byte order mark; "" when it cannot be read.
func text(root, file string) string {
	b, _ := os.ReadFile(follow(root, file))
	return strings.ReplaceAll(strings.TrimPrefix(string(b), "\ufeff"), "\r\n", "\n")
}

const blank = " \t"

// readFile reads one file. It returns false at a mistake after which systemd ignores the rest of the unit. A line that ends
// with a backslash continues on the next line that is not a comment.
func (u *unit) readFile(file string) bool {
	section, before := "", ""
	for line := range strings.SplitSeq(strings.TrimSuffix(text(u.root, file), "\n"), "\n") {
		if begin := strings.TrimLeft(line, blank); begin != "" && (begin[0] == '#' || begin[0] == ';') {
			continue
		}
		line = before + strings.TrimLeft(line, blank)
		if backslashes := len(line) - len(strings.TrimRight(line, `\`)); backslashes%2 == 1 {
			before = line[:len(line)-1] + " "
			continue
		}
		before = ""
		if !u.readLine(file, line, &section) {
			return false
		}
	}
	return before == "" || u.readLine(file, before, &section)
}

// readLine reads one line. It returns false when systemd ignores the lines after it.
func (u *unit) readLine(file, line string, section *string) bool {
	line = strings.Trim(line, blank)
	if strings.HasPrefix(line, "[") {
		*section = line
		return strings.HasSuffix(line, "]")
	}
	key, value, ok := strings.Cut(line, "=")
	if !ok || *section != "[Service]" {
		return true
	}
	u.assign(file, strings.TrimRight(key, blank), strings.TrimLeft(value, blank))
	return true
}

// assign applies an assignment. One that systemd ignores changes nothing.
func (u *unit) assign(file, key, value string) {
	switch key {
	case "LimitNOFILE":
		if hard, ok := hardLimit(value); ok {
			u.keys[key] = assigned{hard, file}
		}
	case "TasksMax":
		if value == "" {
			delete(u.keys, key)
		} else if tasks, ok := u.tasks(value); ok {
			u.keys[key] = assigned{tasks, file}
		}
	case "Environment":
		if value == "" {
			clear(u.env)
		}
		for _, word := range words(value) {
			word, known := specified(word)
			if name, v, ok := strings.Cut(word, "="); ok && known {
				u.env[name] = assigned{v, file}
			}
		}
	case "UnsetEnvironment":
		if value == "" {
			u.unset = nil
		}
		for _, word := range words(value) {
			if word, known := specified(word); known {
				u.unset = append(u.unset, word)
			}
		}
	case "EnvironmentFile":
		if value == "" {
			u.envFiles = nil
		} else if file := environmentFile(value); file != "" {
			u.envFiles = append(u.envFiles, file)
		}
	}
}

// hardLimit reads "hard" and "soft:hard".
func hardLimit(value string) (string, bool) {
	soft, hard, two := strings.Cut(value, ":")
	if !two {
		hard = soft
	}
	s, ok := limitNumber(soft)
	h, ok2 := limitNumber(hard)
	if !ok || !ok2 || s > h {
		return "", false
	}
	if h == 1<<64-1 {
		return "infinity", true
	}
	return strconv.FormatUint(h, 10), true
}

// limitNumber reads a limit as strtoull(3) does in base 0. The largest number can only be written as infinity.
func limitNumber(s string) (uint64, bool) {
	if s == "infinity" {
		return 1<<64 - 1, true
	}
	s = strings.TrimPrefix(strings.TrimLeft(s, blank), "+")
	if strings.Contains(s, "_") {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 0, 64)
	return n, err == nil && n < 1<<64-1
}

// tasks reads a number of tasks. A percentage is of the kernel's limit, and stays a percentage when that cannot be read.
func (u *unit) tasks(value string) (string, bool) {
	share, ok := strings.CutSuffix(value, "%")
	if !ok {
		if value == "infinity" {
			return value, true
		}
		n, ok := limitNumber(value)
		return strconv.FormatUint(n, 10), ok && n > 0
	}
	whole, part, point := strings.Cut(strings.TrimPrefix(share, "+"), ".")
	n, err := strconv.ParseUint(whole+(part + "00")[:2], 10, 32)
	if err != nil || whole == "" || n > 10000 || len(part) > 2 || point && part == "" {
		return "", false
	}
	most := int64(unlimited)
	for _, name := range []string{"pid_max", "threads-max"} {
		is, _ := read(u.root, "proc/sys/kernel/"+name)
		m, err := strconv.ParseInt(is, 10, 64)
		if err != nil {
			return value, true
		}
		if name == "pid_max" {
			m-- // the highest number
		}
		most = min(most, m)
	}
	return strconv.FormatInt(most*int64(n)/10000, 10), true
}

// words splits a value as systemd does where it accepts quotes and C escapes. The words after a mistake are ignored.
func words(value string) []string {
	var all []string
	var word []byte
	inside, quote := false, byte(0)
	for i := 0; i < len(value); i++ {
		c := value[i]
		switch {
		case c == '\\':
			b, n := unescape(value[i+1:])
			if n == 0 {
				return all
			}
			word, inside = append(word, b), true
			i += n
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, inside = c, true
		case quote == 0 && strings.IndexByte(blank, c) >= 0:
			if inside {
				all, word, inside = append(all, string(word)), nil, false
			}
		default:
			word, inside = append(word, c), true
		}
	}
	if quote != 0 {
		return all
	}
	if inside {
		all = append(all, string(word))
	}
	return all
}

// unescape decodes the text after a backslash and returns its length, 0 for a mistake. A character beyond ASCII, which no
// value here has, becomes a question mark.
func unescape(s string) (b byte, length int) {
	if s == "" {
		return 0, 0
	}
	if i := strings.IndexByte(`abfnrtvs\"'`, s[0]); i >= 0 {
		return "\a\b\f\n\r\t\v \\\"'"[i], 1
	}
	digits, base, from := 3, 8, 0
	if d, ok := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[0]]; ok {
		digits, base, from = d, 16, 1
	}
	if len(s) < from+digits || s[from] == '+' {
		return 0, 0
	}
	n, err := strconv.ParseUint(s[from:from+digits], base, 32)
	if err != nil || n == 0 || base == 8 && n > 255 {
		return 0, 0
	}
	if n > 127 {
		n = '?'
	}
	return byte(n), from + digits
}
