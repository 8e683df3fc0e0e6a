package destination

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// userMark stands for {user} in the text of a glob. It is a control character, so no destination contains it.
const userMark = 0

// The longest segments with wildcards, in bytes. Only between two '*' is text searched, at a cost of the segment's length
// times the text's; everything else is compared in place. But a pattern may be compared with a rule whose segments are
// searched for in its own.
const (
	maxWild    = 128
	maxStarred = 64 // with several '*'
)

// maxUserMarks is how often {user} may occur in a rule: each of them is as long as a name.
const maxUserMarks = 4

// MaxSegments is how many segments a pattern or a rule has at most.
const MaxSegments = 32

// glob is the common part of patterns and rules. Its two strings share the memory of the text it was made from.
type glob struct {
	head  string // the segments in front of "**", or all
	tail  string // the segments behind it, "" when there are none
	deep  bool   // has "**"
	slash bool   // ends with '/'
	// empty is set when the last segment is "*" and there is no "**": then that segment may be missing in a
	// destination that ends with '/'.
	empty bool
}

// parse reads text, in which {user} is already a mark.
func parse(text string) (glob, error) {
	g := glob{head: text, slash: text[len(text)-1] == '/'}
	at, last := 0, ""
	for n := 1; ; n++ {
		seg, rest := first(text[at:])
		if seg == "" {
			break
		}
		if n > MaxSegments {
			return glob{}, fmt.Errorf("at most %d segments are allowed", MaxSegments)
		}
		at, last = len(text)-len(rest), seg
		switch {
		case seg == "**" && g.deep:
			return glob{}, fmt.Errorf(`at most one segment is "**"`)
		case seg == "**":
			g.deep = true
			g.head = text[:at-len(seg)]
			g.tail = strings.TrimLeft(rest, "/")
		case len(seg) > maxStarred && strings.Count(seg, "*") > 1:
			return glob{}, fmt.Errorf("a segment with more than one '*' has at most %d bytes, found %d", maxStarred, len(seg))
		case len(seg) > maxWild && strings.ContainsAny(seg, "*?"):
			return glob{}, fmt.Errorf("a segment with wildcards has at most %d bytes, found %d", maxWild, len(seg))
		}
	}
	g.empty = !g.deep && last == "*"
	return g, nil
}

// first cuts the first segment off path. It is "" when there is none.
func first(path string) (seg, rest string) {
	for path != "" && path[0] == '/' {
		path = path[1:]
	}
	if i := strings.IndexByte(path, '/'); i >= 0 {
		return path[:i], path[i:]
	}
	return path, ""
}

// last cuts the last segment off path. It is "" when there is none.
func last(path string) (seg, rest string) {
	for path != "" && path[len(path)-1] == '/' {
		path = path[:len(path)-1]
	}
	i := strings.LastIndexByte(path, '/')
	return path[i+1:], path[:i+1]
}

// match reports whether g matches dest. There is one "**" at most, so what precedes it is compared from the left, what
// follows it from the right, and nothing is tried twice.
func (g *glob) match(dest, user string) bool {
	if dest == "" || dest[0] != '/' {
		return false
	}
	slash := dest[len(dest)-1] == '/'
	head, rest := g.head, dest
	for {
		var pat, seg string
		if pat, head = first(head); pat == "" {
			break
		}
		if seg, rest = first(rest); seg == "" {
			more, _ := first(head)
			return g.empty && slash && more == ""
		}
		if !matchSegment(pat, seg, user) {
			return false
		}
	}
	if !g.deep {
		more, _ := first(rest)
		return more == "" && slash == g.slash
	}
	if g.tail == "" {
		return true
	}
	if slash != g.slash {
		return false
	}
	tail := g.tail
	for {
		var pat, seg string
		if pat, tail = last(tail); pat == "" {
			return true
		}
		if seg, rest = last(rest); seg == "" || !matchSegment(pat, seg, user) {
			return false
		}
	}
}

// matchSegment matches one segment: up to the first '*' from the left, behind the last from the right, and text between two
// stars where it first fits, which is as good as any later place.
func matchSegment(pat, s, user string) bool {
	var ok bool
	for pat != "" && pat[0] != '*' {
		if s, ok = cutFirst(pat[0], s, user); !ok {
			return false
		}
		pat = pat[1:]
	}
	if pat == "" {
		return s == ""
	}
	for pat[len(pat)-1] != '*' {
		if s, ok = cutLast(pat[len(pat)-1], s, user); !ok {
			return false
		}
		pat = pat[:len(pat)-1]
	}
	for {
		pat = strings.TrimLeft(pat, "*")
		if pat == "" {
			return true
		}
		end := strings.IndexByte(pat, '*')
		if s, ok = findPiece(pat[:end], s, user); !ok {
			return false
		}
		pat = pat[end:]
	}
}

// findPiece cuts off s what lies in front of the first place where piece fits, and what it stands for there.
func findPiece(piece, s, user string) (rest string, ok bool) {
	if strings.IndexByte(piece, '?') < 0 && strings.IndexByte(piece, userMark) < 0 {
		_, rest, ok = strings.Cut(s, piece)
		return rest, ok
	}
	for {
		if rest, ok := cutPiece(piece, s, user); ok {
			return rest, true
		}
		if s == "" {
			return "", false
		}
		_, n := utf8.DecodeRuneInString(s)
		s = s[n:]
	}
}

// cutPiece cuts what piece, which has no '*', stands for off the front of s.
func cutPiece(piece, s, user string) (rest string, ok bool) {
	for i := range len(piece) {
		c := piece[i]
		if c != userMark && s != "" && s[0] == c { // '?' takes itself too
			s = s[1:]
			continue
		}
		if c != '?' && c != userMark {
			return "", false
		}
		if s, ok = cutFirst(c, s, user); !ok {
			return "", false
		}
	}
	return s, true
}

// cutFirst cuts what the pattern's byte c stands for off the front of s.
func cutFirst(c byte, s, user string) (rest string, ok bool) {
	switch c {
	case userMark:
		return cutUser(s, user)
	case '?':
		if s == "" || s[0] == anyMany {
			return "", false
		}
		_, n := utf8.DecodeRuneInString(s)
		return s[n:], true
	}
	if s == "" || s[0] != c {
		return "", false
	}
	return s[1:], true
}

// cutLast cuts what the pattern's byte c stands for off the end of s.
func cutLast(c byte, s, user string) (rest string, ok bool) {
	switch c {
	case userMark:
		at := len(s) - len(user) - strings.Count(user, "/")*(len(escapedSlash)-1)
		if at < 0 {
			return "", false
		}
		_, ok = cutUser(s[at:], user)
		return s[:at], ok
	case '?':
		if s == "" || s[len(s)-1] == anyMany {
			return "", false
		}
		_, n := utf8.DecodeLastRuneInString(s)
		return s[:len(s)-n], true
	}
	if s == "" || s[len(s)-1] != c {
		return "", false
	}
	return s[:len(s)-1], true
}

// cutUser cuts EscapeUser(user) off the front of s without making it. Wildcards in user mean themselves.
func cutUser(s, user string) (rest string, ok bool) {
	for {
		name, more, slash := strings.Cut(user, "/")
		if s, ok = strings.CutPrefix(s, name); !ok || !slash {
			return s, ok
		}
		if s, ok = strings.CutPrefix(s, escapedSlash); !ok {
			return s, false
		}
		user = more
	}
}
