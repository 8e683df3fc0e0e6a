package config

import (
	"strings"
	"testing"
)

// FuzzLoad checks that no file makes Load panic, and that each mistake names its place and keeps to one line.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{full, base, devText, "a: &a [*a]\n<<: *a", "log: &a {<<: [*a, *a]}", "log: {<<: &a [*a, *a]}", "limits: {<<: [*a, {headers: &a 5}]}", "projects: {a: &b {keys: *b}}", "? a\n", "- - -", "!!str", "&a", "*a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, err := load("file", "", []byte(text), []string{"HOSTNAME=h"}, nil)
		problems, ok := err.(Problems)
		if err != nil && !ok {
			t.Fatalf("%T", err)
		}
		for _, p := range problems {
			if !strings.HasPrefix(p.Where, "file") || strings.ContainsAny(p.Text, "\n") {
				t.Errorf("%q", p)
			}
		}
	})
}
