package config

import (
	"fmt"
	"regexp"
	"strings"
)

// In a flow mapping, as in {id: ${HOSTNAME}}, the braces of a variable would end the mapping. protect therefore replaces
// them with two private-use characters before the YAML is parsed, which keeps lines and columns.
const (
	opening = "\uE000"
	closing = "\uE001"
)

var (
	reference = regexp.MustCompile(`\$\{([^{}\n]*)\}`)
	protected = regexp.MustCompile(`\$?\$` + opening + `([^` + closing + `]*)` + closing)
	variable  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

func protect(text []byte) []byte {
	return reference.ReplaceAll(text, []byte("$$"+opening+"${1}"+closing))
}

// restore undoes protect.
func restore(s string) string { return strings.NewReplacer(opening, "{", closing, "}").Replace(s) }

// expand replaces ${VAR} with the variable's value, and $${VAR} with ${VAR}.
func expand(s string, lookup func(string) (string, bool)) (string, error) {
	var err error
	s = protected.ReplaceAllStringFunc(s, func(ref string) string {
		if strings.HasPrefix(ref, "$$") {
			return ref[1:]
		}
		name := protected.FindStringSubmatch(ref)[1]
		value, ok := lookup(name)
		switch {
		case ok:
			return value
		case !variable.MatchString(name):
			err = fmt.Errorf("found ${%s}, allowed: ${NAME} with the name of an environment variable (write $${ for a plain ${)", name)
		default:
			err = fmt.Errorf("found ${%s}, but the environment has no %s (write $${ for a plain ${)", name, name)
		}
		return ""
	})
	return restore(s), err
}
