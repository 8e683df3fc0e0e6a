package destination

import "strings"

// covers reports whether g matches everything that p matches. The segments of p are symbols, and those of g, which are
// sorted, are matched with them as with text. A yes is always right. A no can be wrong, but not for patterns that are
// equal, that lie below a rule ending in "**", or whose segments are covered one by one.
func (g *glob) covers(p *glob, user string) bool {
	if strings.ContainsAny(user, wildcards) {
		return false // it would match what it must not
	}
	if !g.deep {
		// As many segments on both sides. With p.empty p also matches a destination with one segment less.
		if p.deep || g.slash != p.slash || p.empty && !g.empty {
			return false
		}
	}
	own, others := g.head, p.head
	for {
		var a, b string
		if a, own = first(own); a == "" {
			break
		}
		if b, others = first(others); b == "" || !matchSegment(a, b, user) {
			return false
		}
	}
	more, _ := first(others)
	if !g.deep {
		return more == ""
	}
	if p.empty && more == "" {
		return false // the segment that p may go without is one that g needs
	}
	if g.tail == "" {
		return true
	}
	if p.empty || g.slash != p.slash {
		return false
	}
	own = g.tail
	if p.deep {
		others = p.tail
	}
	for {
		var a, b string
		if a, own = last(own); a == "" {
			return true
		}
		if b, others = last(others); b == "" || !matchSegment(a, b, user) {
			return false
		}
	}
}

// The wildcards of a pattern as text for a rule. They are control characters, so that only a rule's own wildcards match
// them: '?' matches anyOne like any other character, '*' matches everything, and only '*' matches anyMany.
const (
	anyOne  = '\x01'
	anyMany = '\x02'

	wildcards = string(anyOne) + string(anyMany)
)

// sorted is g with each run of wildcards as its '?' and then, if there is any, one '*': "*?" and "?*" are the same.
func (g glob) sorted() glob { return g.with('?', '*') }

// symbols is g as covers takes it, sorted too.
func (g glob) symbols() glob { return g.with(anyOne, anyMany) }

func (g glob) with(one, many byte) glob {
	g.head, g.tail = rewrite(g.head, one, many), rewrite(g.tail, one, many)
	return g
}

func rewrite(path string, one, many byte) string {
	if !IsPattern(path) {
		return path
	}
	out, star := make([]byte, 0, len(path)), false
	for i := range len(path) {
		switch c := path[i]; c {
		case '*':
			star = true
		case '?':
			out = append(out, one)
		default:
			if star {
				out, star = append(out, many), false
			}
			out = append(out, c)
		}
	}
	if star {
		out = append(out, many)
	}
	return string(out)
}
