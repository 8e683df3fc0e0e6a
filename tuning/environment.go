package tuning

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// readEnvironment reads the variables of the files that an EnvironmentFile names; they override Environment.
func (u *unit) readEnvironment(pattern string) {
	for _, file := range u.matching(pattern) {
		b, _ := os.ReadFile(follow(u.root, file))
		for _, v := range variables(string(b)) {
			u.env[v.name] = assigned{v.value, file}
		}
	}
}

// matching returns the files of a pattern as glob(3) does: a star does not match names that begin with a dot.
func (u *unit) matching(pattern string) []string {
	if !strings.ContainsAny(pattern, "*?[") {
		return []string{filepath.Join(u.root, pattern)}
	}
	// The root is not part of the pattern, whatever characters it has.
	names, err := filepath.Glob(escapeGlob(u.root) + pattern)
	if err != nil {
		return nil
	}
	wanted := strings.Split(pattern, "/")
	return slices.DeleteFunc(names, func(name string) bool {
		parts := strings.Split(strings.TrimPrefix(name, u.root), "/")
		for i, part := range parts[:min(len(parts), len(wanted))] {
			if strings.HasPrefix(part, ".") && !strings.HasPrefix(wanted[i], ".") {
				return true
			}
		}
		return false
	})
}

func escapeGlob(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}

// environmentFile returns the file or pattern that a value of EnvironmentFile names, "" for one that systemd ignores.
func environmentFile(value string) string {
	file, ok := specified(strings.TrimPrefix(value, "-"))
	if !ok || !filepath.IsAbs(file) || slices.Contains(strings.Split(file, "/"), "..") {
		return ""
	}
	return file
}

// specified expands those specifiers of systemd.unit(5) that depend only on the name of the unit.
func specified(text string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '%' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		i++
		switch text[i] {
		case '%':
			b.WriteByte('%')
		case 'n':
			b.WriteString(Unit)
		case 'N', 'p', 'P', 'j', 'J':
			b.WriteString(strings.TrimSuffix(Unit, ".service"))
		case 'i', 'I':
		default:
			return "", false // no setting here has others
		}
	}
	return b.String(), true
}

// variable is an assignment of an EnvironmentFile.
type variable struct{ name, value string }

// variables reads an EnvironmentFile as systemd does: values are not split, they may begin with quotes, and a backslash
// escapes the next character. A newline inside of a value becomes a space: no setting here has either.
func variables(text string) (all []variable) {
	s := scanner{text: strings.ReplaceAll(text, "\r", "\n")}
	for s.at < len(s.text) {
		switch c := s.text[s.at]; {
		case c == '#' || c == ';':
			s.comment()
		case strings.IndexByte(space, c) >= 0:
			s.at++
		default:
			if name, ok := s.key(); ok {
				all = append(all, variable{name, strings.ReplaceAll(s.value(), "\n", " ")})
			}
		}
	}
	return all
}

const space = " \t\n"

// scanner is a position in the text of an EnvironmentFile.
type scanner struct {
	text string
	at   int
}

// comment skips a comment. One that ends with a backslash continues on the next line.
func (s *scanner) comment() {
	for ; s.at < len(s.text) && s.text[s.at] != '\n'; s.at++ {
		if s.text[s.at] == '\\' {
			s.at++
		}
	}
}

// key reads past the equals sign, or to the end of a line without one.
func (s *scanner) key() (name string, ok bool) {
	end := strings.IndexAny(s.text[s.at:], "=\n")
	if end < 0 {
		s.at = len(s.text)
		return "", false
	}
	name, ok = strings.TrimRight(s.text[s.at:s.at+end], space), s.text[s.at+end] == '='
	s.at += end + 1
	return name, ok
}

// value reads to the first unquoted end of a line: adjacent quoted pieces, then an unquoted rest.
func (s *scanner) value() string {
	var b []byte
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; {
		case c == '\n':
			return string(b)
		case c == '\'' || c == '"':
			b = s.quoted(b, c)
		case strings.IndexByte(space, c) < 0:
			return string(s.bare(b))
		}
	}
	return string(b)
}

// quoted adds the text between two quotes, and stops at the second.
func (s *scanner) quoted(b []byte, quote byte) []byte {
	for s.at++; s.at < len(s.text) && s.text[s.at] != quote; s.at++ {
		c := s.text[s.at]
		if c == '\\' && quote == '"' && s.at+1 < len(s.text) {
			s.at++
			switch c = s.text[s.at]; {
			case c == '\n':
				continue
			case strings.IndexByte("\"\\`$", c) < 0:
				b = append(b, '\\')
			}
		}
		b = append(b, c)
	}
	return b
}

// bare adds unquoted text without trailing spaces.
func (s *scanner) bare(b []byte) []byte {
	keep := len(b)
	for ; s.at < len(s.text) && s.text[s.at] != '\n'; s.at++ {
		c := s.text[s.at]
		escaped := c == '\\'
		if escaped {
			if s.at++; s.at == len(s.text) {
				break
			}
			if c = s.text[s.at]; c == '\n' {
				keep = len(b)
				continue
			}
		}
		b = append(b, c)
		if escaped || strings.IndexByte(space, c) < 0 {
			keep = len(b)
		}
	}
	return b[:keep]
}
