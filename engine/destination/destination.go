package destination

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxBytes is the length of the longest destination, pattern or rule.
const MaxBytes = 1024

// Errors of Check.
var (
	ErrNoSlash  = errors.New("a destination starts with '/'")
	ErrTooLong  = errors.New("a destination has at most 1024 bytes")
	ErrNotUTF8  = errors.New("a destination is valid UTF-8")
	ErrControls = errors.New("a destination has no control characters")
)

// Check reports whether dest can be a destination at all. The error is one of the values above.
func Check(dest string) error {
	if len(dest) > MaxBytes {
		return ErrTooLong
	}
	if dest == "" || dest[0] != '/' {
		return ErrNoSlash
	}
	for i, r := range dest {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(dest[i:]); n == 1 {
				return ErrNotUTF8
			}
		}
		if unicode.IsControl(r) {
			return ErrControls
		}
	}
	return nil
}

// IsPattern reports whether a client that subscribes to dest means a pattern.
func IsPattern(dest string) bool {
	return strings.IndexByte(dest, '*') >= 0 || strings.IndexByte(dest, '?') >= 0
}

// Style is how a project names its destinations.
type Style uint8

const (
	// Prefixed names carry the project: /topic/{project}/{path}.
	Prefixed Style = iota
	// Plain names are those of Spring applications: any /topic/... and /queue/...
	Plain
)

// String is the style's name in the configuration.
func (s Style) String() string {
	if s == Plain {
		return "plain"
	}
	return "prefixed"
}

// Own reports whether dest, a destination or a pattern, is inside the project's name space. /user/... is in each project's.
// The beginning is compared byte for byte: a pattern with a wildcard there belongs to no project.
func (s Style) Own(project, dest string) bool {
	if strings.HasPrefix(dest, "/user/") {
		return true
	}
	if s == Plain {
		return strings.HasPrefix(dest, "/topic/") || strings.HasPrefix(dest, "/queue/")
	}
	rest, ok := strings.CutPrefix(dest, "/topic/")
	return ok && project != "" && len(rest) > len(project) && rest[len(project)] == '/' && rest[:len(project)] == project
}

// escapedSlash is '/' within a user's name.
const escapedSlash = "%2F"

// EscapeUser makes a user's name one segment of a destination: '/' becomes %2F, as Spring does it. It allocates only
// when there is a '/'.
func EscapeUser(user string) string {
	return strings.ReplaceAll(user, "/", escapedSlash)
}
