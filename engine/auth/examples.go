package auth

import (
	"slices"
	"strings"

	"stentor/engine/destination"
)

// Examples are destinations that a project's rules allow: a start for a person who tries the project.
type Examples struct {
	// Subscribe are destinations, and patterns where clients may use them. {user} stands in some for the name of the
	// session's user.
	Subscribe []string
	// Send is a destination where a client's SEND has an effect; "" if there is none.
	Send string
}

const (
	maxExamples = 6
	userWord    = "{user}"
	someUser    = "ann"
)

// Examples returns destinations that the project's clients may use. The caller does not change them.
func (p *Project) Examples() Examples { return p.examples }

// examplesOf makes examples of rules, in which {project} may stand. Each is checked against the compiled rules: the guesses
// may contain what these do not allow, the result does not.
func (p *Project) examplesOf(rules []string) Examples {
	var e Examples
	add := func(dest string, may func(user, dest string) bool) {
		user := ""
		if strings.Contains(dest, userWord) {
			user = someUser
		}
		if len(e.Subscribe) < maxExamples && !slices.Contains(e.Subscribe, dest) && may(user, strings.ReplaceAll(dest, userWord, user)) {
			e.Subscribe = append(e.Subscribe, dest)
		}
	}
	exactly := func(user, dest string) bool { return p.MaySubscribe(user, nil, dest) }
	pattern := func(user, dest string) bool {
		pat, err := destination.ParsePattern(dest)
		return err == nil && p.MaySubscribePattern(user, nil, pat)
	}
	usual := []string{"/topic/{project}/**", "/user/**"}
	if p.style == destination.Plain {
		usual = []string{"/topic/**", "/queue/**", "/user/**"}
	}
	for _, rule := range append(slices.Clone(rules), usual...) {
		rule = strings.ReplaceAll(rule, "{project}", p.name)
		add(concrete(rule), exactly)
		if strings.ContainsAny(rule, "*?") && !strings.HasPrefix(rule, "/user/") {
			add(rule, pattern)
		}
	}
	for _, s := range p.send {
		if dest := concrete(s.text); p.Own(dest) && (s.action == Push || s.action == Forward) && s.rule.Allows(dest, "") {
			e.Send = dest
			break
		}
	}
	return e
}

// concrete is a destination that a rule may mean: words take the place of its wildcards.
func concrete(rule string) string {
	if rule == "/user/**" {
		return "/user/queue/orders"
	}
	segments := strings.Split(rule, "/")
	for i, s := range segments {
		if s == "*" || s == "**" {
			segments[i] = "all"
		} else {
			segments[i] = strings.NewReplacer("*", "1", "?", "1").Replace(s)
		}
	}
	return strings.Join(segments, "/")
}
