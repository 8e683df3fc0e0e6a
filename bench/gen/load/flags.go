package load

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// value is a flag that checks its value. Its errors say what was found and what is allowed.
type value struct {
	kind string // for the help
	text func() string
	set  func(string) error
}

func (v *value) String() string     { return v.text() }
func (v *value) Set(s string) error { return v.set(s) }
func (v *value) Type() string       { return v.kind }

func found(s, allowed string) error { return fmt.Errorf("found %q, allowed: %s", s, allowed) }

func integer(f *pflag.FlagSet, p *int, name string, def, least, most int, usage string) {
	*p = def
	f.Var(&value{"n", func() string { return strconv.Itoa(*p) }, func(s string) error {
		n, err := strconv.Atoi(strings.ReplaceAll(s, "_", ""))
		if err != nil || n < least || n > most {
			return found(s, fmt.Sprintf("a whole number from %d to %d", least, most))
		}
		*p = n
		return nil
	}}, name, usage)
}

func number(f *pflag.FlagSet, p *float64, name string, def, least, most float64, usage string) {
	*p = def
	f.Var(&value{"x", func() string { return strconv.FormatFloat(*p, 'g', -1, 64) }, func(s string) error {
		n, err := strconv.ParseFloat(s, 64)
		if err != nil || !(n >= least && n <= most) {
			return found(s, fmt.Sprintf("a number from %v to %v", least, most))
		}
		*p = n
		return nil
	}}, name, usage)
}

func duration(f *pflag.FlagSet, p *time.Duration, name string, def time.Duration, usage string) {
	*p = def
	f.Var(&value{"time", func() string { return p.String() }, func(s string) error {
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 {
			return found(s, "a time as in 30s, 5m or 1h30m")
		}
		*p = d
		return nil
	}}, name, usage)
}

func choice(f *pflag.FlagSet, p *string, name, def string, all []string, usage string) {
	*p = def
	f.Var(&value{"word", func() string { return *p }, func(s string) error {
		if !slices.Contains(all, s) {
			return found(s, strings.Join(slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == "" }), ", "))
		}
		*p = s
		return nil
	}}, name, usage)
}
