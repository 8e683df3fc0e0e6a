package tuning

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// readEnvironment takes the variables of what an EnvironmentFile names, which win over Environment.
func (u *unit) readEnvironment(pattern string) {
	for _, file := range u.matching(pattern) {
		b, _ := os.ReadFile(follow(u.root, file))
		for _, v := range variables(string(b)) {
			u.env[v.name] = assigned{v.value, file}
		}
	}
}

// matching returns the files of a pattern as glob(3) does, in which no name that begins with a dot is one of a star.
func (u *unit) matching(pattern string) []string {
	if !strings.ContainsAny(pattern, "*?[") {
		return []string{filepath.Join(u.root, pattern)}
	}
	// The root is no pattern, whatever its name.
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

// environmentFile returns what a value of EnvironmentFile names, "" for what systemd ignores.
func environmentFile(value string) string {
	file, ok := specified(strings.TrimPrefix(value, "-"))
	if !ok || !filepath.IsAbs(file) || slices.Contains(strings.Split(file, "/"), "..") {
		return ""
	}
	return file
}

// specified puts in what the specifiers of systemd.unit(5) stand for that depend on the name of the unit alone.
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
			return "", false // no value that counts here
		}
	}
	return b.String(), true
}

// variable is an assignment of an EnvironmentFile.
type variable struct{ name, value string }

// variables reads an EnvironmentFile as systemd does: values are not split, quotes begin them, and a backslash takes the
// meaning from what follows. An end of a line inside of a value is a space here, which no value that counts has.
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

// scanner is at a place in the text of an EnvironmentFile.
type scanner struct {
	text string
	at   int
}

// comment goes to the end of a line; one that ends with a backslash goes on in the next.
func (s *scanner) comment() {
	for ; s.at < len(s.text) && s.text[s.at] != '\n'; s.at++ {
		if s.text[s.at] == '\\' {
			s.at++
		}
	}
}

// key reads to behind the sign of equality, or to the end of a line that has none.
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

// value reads to the end of a line that is in no quotes: quoted pieces one behind the other, then what has no quotes.
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

// quoted adds what stands between two quotes, and stops at the second.
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

// bare adds what stands in no quotes, without the spaces behind it.
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
