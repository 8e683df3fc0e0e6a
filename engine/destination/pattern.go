package destination

import (
	"fmt"
	"strings"
	"unsafe"
)

// Pattern is a parsed pattern.
type Pattern struct {
	text string
	glob glob
	// shape is the same with its wildcards as symbols, for rules to match.
	shape glob
}

// ParsePattern parses a pattern. Text without wildcards is one too: it matches itself.
func ParsePattern(s string) (*Pattern, error) {
	if err := Check(s); err != nil {
		return nil, fmt.Errorf("pattern %.80q: %w", s, err)
	}
	g, err := parse(s)
	if err != nil {
		return nil, fmt.Errorf("pattern %.80q: %w", s, err)
	}
	return &Pattern{text: s, glob: g, shape: g.symbols()}, nil
}

// String returns the text that was parsed.
func (p *Pattern) String() string { return p.text }

// Match reports whether the pattern matches dest.
func (p *Pattern) Match(dest string) bool { return p.glob.match(dest, "") }

// Rule is a pattern that allows: {project} in it is the name of the project, {user} that of the session's user.
type Rule struct {
	glob glob
	user bool // has {user}
}

// ParseRule parses a rule of the given project.
func ParseRule(s, project string) (*Rule, error) {
	fail := func(err error) (*Rule, error) { return nil, fmt.Errorf("rule %.80q: %w", s, err) }
	if err := Check(s); err != nil {
		return fail(err)
	}
	text := strings.ReplaceAll(s, "{user}", string(rune(userMark)))
	user := len(text) != len(s)
	if strings.Contains(text, "{project}") {
		if project == "" || Check("/"+project) != nil || strings.ContainsAny(project, "/*?{}") {
			return fail(fmt.Errorf("the project's name %.80q cannot stand in a destination", project))
		}
		text = strings.ReplaceAll(text, "{project}", project)
	}
	if strings.Count(text, string(rune(userMark))) > maxUserMarks {
		return fail(fmt.Errorf("{user} may stand %d times in it", maxUserMarks))
	}
	if strings.ContainsAny(text, "{}") {
		return fail(fmt.Errorf("braces are for {project} and {user} only"))
	}
	g, err := parse(text)
	if err != nil {
		return fail(err)
	}
	return &Rule{glob: g.sorted(), user: user}, nil
}

// Steps is the worst-case cost of Allows, in the unit of Pattern.Steps.
func (r *Rule) Steps() int { return r.glob.steps() }

// Bytes is about how much memory r takes, its text included.
func (r *Rule) Bytes() int { return int(unsafe.Sizeof(*r)) + len(r.glob.head) + len(r.glob.tail) }

// NamesUser says whether the rule has {user} in it.
func (r *Rule) NamesUser() bool { return r.user }

// Allows reports whether the rule allows dest to user, which may be nobody ("").
func (r *Rule) Allows(dest, user string) bool {
	return r.means(user) && r.glob.match(dest, user)
}

// AllowsPattern says whether the rule allows each destination that p can match. When in doubt the answer is no. It
// costs as much as Allows.
func (r *Rule) AllowsPattern(p *Pattern, user string) bool {
	return r.means(user) && r.glob.covers(&p.shape, user)
}

// means says whether the rule means anything for user. One with {user} means nothing when there is no user, and nothing
// for a user whose very name contains %2F: in a destination that would be another user's.
func (r *Rule) means(user string) bool {
	return !r.user || user != "" && !strings.Contains(user, escapedSlash)
}
