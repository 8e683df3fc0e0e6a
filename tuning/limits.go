package tuning

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// limitsFile is the file below the root that apply.sh writes for logins.
const limitsFile = "etc/security/limits.d/90-stentor.conf"

// shortLogin returns the first entry of limits.conf(5), for * or for root, that gives logins fewer descriptors than s needs.
func shortLogin(root string, s *Setting) (entry assigned, short bool) {
	for _, domain := range []string{"*", "root"} {
		entry = limitEntry(root, domain)
		if ok, known := s.met(entry.value); known && !ok {
			return entry, true
		}
	}
	return assigned{}, false
}

// limitEntry returns the hard limit of descriptors that limits.conf(5) gives a domain, * or root, and the file with that
// entry. limits.conf comes first, then limits.d in the order of the C locale, and the last entry wins; * does not apply to root.
func limitEntry(root, domain string) (last assigned) {
	files, _ := filepath.Glob(filepath.Join(root, "etc/security/limits.d/*.conf"))
	files = slices.DeleteFunc(files, func(file string) bool { return strings.HasPrefix(filepath.Base(file), ".") })
	slices.Sort(files)
	for _, file := range slices.Concat([]string{filepath.Join(root, "etc/security/limits.conf")}, files) {
		text, err := os.ReadFile(follow(root, file))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if value := limitOf(line, domain); value != "" {
				last = assigned{value: value, file: file}
			}
		}
	}
	return last
}

// leadingDigits is the part of a number that pam_limits reads.
var leadingDigits = regexp.MustCompile(`^[0-9]+`)

// limitOf returns the hard limit of descriptors that a line gives a domain, or "".
func limitOf(line, domain string) string {
	line, _, _ = strings.Cut(line, "#")
	f := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\r\n\v\f", r) })
	if len(f) < 4 || f[0] != domain || !strings.EqualFold(f[2], "nofile") || f[1] != "-" && !strings.EqualFold(f[1], "hard") {
		return ""
	}
	switch value := strings.ToLower(f[3]); value {
	case "-1", "unlimited", "infinity":
		return "unlimited"
	default:
		return leadingDigits.FindString(value)
	}
}

// winsOverLimits reports whether pam_limits reads a file after the one that apply.sh writes.
func winsOverLimits(file string) bool {
	return filepath.Base(filepath.Dir(file)) == "limits.d" && filepath.Base(file) > filepath.Base(limitsFile)
}
