package tuning

import (
	"strconv"
	"strings"
)

// Kind is where a setting is set.
type Kind string

// The kinds of settings.
const (
	Memory      Kind = "memory"      // of the host; no command sets it
	Sysctl      Kind = "sysctl"      // a file below /proc/sys
	Sys         Kind = "sys"         // a file below /sys
	Module      Kind = "module"      // a parameter of a kernel module
	Rlimit      Kind = "rlimit"      // a limit of the process, which it inherits
	Systemd     Kind = "systemd"     // a key of the unit's [Service]
	Environment Kind = "environment" // a variable of the process
	Service     Kind = "service"     // a program that should run
	Socket      Kind = "socket"      // the node sets it itself, on every socket
)

// Rule says how the present value is compared with the wanted one.
type Rule string

// The rules. A setting of several fields (tcp_mem) has a rule for each.
const (
	AtLeast Rule = "atleast"
	AtMost  Rule = "atmost"
	OneOf   Rule = "oneof" // one of the words of the value; the first is what apply.sh sets
	AnyMask Rule = "mask"  // any bit set; the value is what apply.sh sets
)

// Setting is one setting with its value for a host and a number of connections.
type Setting struct {
	Kind  Kind   `json:"kind"`
	Name  string `json:"name"`
	Path  string `json:"-"` // of the file, without the leading slash; "" where there is none
	Rules []Rule `json:"rules,omitempty"`
	Value string `json:"should"` // as it is written; one space between fields

	Why    string `json:"why"`
	Below  string `json:"below"`  // what happens without it
	Source string `json:"source"` // the kernel's or the program's documentation

	// Limits says that the setting bounds the number of connections; others only make them slow or costly.
	Limits bool `json:"limits"`
}

// met reports whether the present value suffices, and whether it could be parsed.
func (s *Setting) met(is string) (ok, known bool) {
	have, want := strings.Fields(is), strings.Fields(s.Value)
	if len(have) == 0 || len(s.Rules) == 0 {
		return false, false
	}
	switch s.Rules[0] {
	case OneOf:
		word := selected(have)
		for _, w := range want {
			if w == word {
				return true, true
			}
		}
		return false, true
	case AnyMask:
		return strings.Trim(have[0], "0,") != "", true
	}
	if len(have) != len(want) {
		return false, false
	}
	for i, rule := range s.Rules {
		h, err := number(have[i])
		w, err2 := number(want[i])
		if err != nil || err2 != nil {
			return false, false
		}
		if rule == AtLeast && h < w || rule == AtMost && h > w {
			return false, true
		}
	}
	return true, true
}

// miss says how the present value fails: of several fields, the first that does not suffice.
func (s *Setting) miss(is string) Verdict {
	if s.Limits {
		return Short
	}
	have, want := strings.Fields(is), strings.Fields(s.Value)
	for i, rule := range s.Rules {
		if rule != AtLeast && rule != AtMost {
			break
		}
		h, _ := number(have[i])
		w, _ := number(want[i])
		switch {
		case rule == AtLeast && h < w:
			return Low
		case rule == AtMost && h > w:
			return High
		}
	}
	return Differs
}

// merge returns the value to set when the present one is is: fields that suffice stay as they are.
func (s *Setting) merge(is string) string {
	have, want := strings.Fields(is), strings.Fields(s.Value)
	if s.Rules[0] == OneOf || s.Rules[0] == AnyMask {
		return want[0]
	}
	if len(have) != len(want) {
		return s.Value
	}
	for i, rule := range s.Rules {
		h, err := number(have[i])
		w, err2 := number(want[i])
		if err == nil && err2 == nil && (rule == AtLeast && h > w || rule == AtMost && h < w) {
			want[i] = have[i]
		}
	}
	return strings.Join(want, " ")
}

// unlimited stands for "unlimited" and "infinity".
const unlimited = 1<<63 - 1

// number reads a value. fs.file-max and others may hold 2^63 and more.
func number(s string) (int64, error) {
	if s == "unlimited" || s == "infinity" {
		return unlimited, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil && strings.Trim(s, "0123456789") == "" {
		return unlimited, nil
	}
	return n, err
}

// selected returns the selected word of "always [madvise] never"; a single word selects itself.
func selected(words []string) string {
	for _, w := range words {
		if strings.HasPrefix(w, "[") && strings.HasSuffix(w, "]") {
			return w[1 : len(w)-1]
		}
	}
	return words[0]
}

// Should returns the value with its rule in words.
func (s *Setting) Should() string {
	if len(s.Rules) == 0 {
		return s.Value
	}
	words := strings.Fields(s.Value)
	switch s.Rules[0] {
	case OneOf:
		return strings.Join(words, " or ")
	case AnyMask:
		return s.Value
	}
	for i := range words {
		words[i] = map[Rule]string{AtLeast: "at least ", AtMost: "at most "}[s.Rules[i]] + words[i]
	}
	return strings.Join(words, ", ")
}
