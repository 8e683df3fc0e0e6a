package websocket

import (
	"net/url"
	"strings"
	"testing"
)

// TestParameter: a value is what url.ParseQuery finds.
func TestParameter(t *testing.T) {
	for _, query := range []string{
		"", "&", "=", "n", "n=", "n=1", "m=2&n=1", "n=1&n=2", "nn=1&n=2", "n=a%20b+c", "n=50%", "n=50%&n=2", "n=1;2", "n;=1&n=3",
		"%6e=4", "%6E=5", "%6=1", "%6z=1", "%=1", "%6e%=1", "+n=1", "n=a=b", "=n=1", "n&n=1", "&&n=6&", "a%20b=7", "a+b=8", "%6E%6e=1&n=9",
	} {
		for _, name := range []string{"n", "a b", "N"} {
			same(t, query, name)
		}
	}
}

func FuzzParameter(f *testing.F) {
	f.Add("a=b&n=1", "n")
	f.Add("%6e=%31+;&n=%3", "n")
	f.Fuzz(func(t *testing.T, query, name string) {
		if name != "" && strings.Count(query, "&") < 1000 {
			same(t, query, name)
		}
	})
}

func same(t *testing.T, query, name string) {
	t.Helper()
	values, _ := url.ParseQuery(query) // the error is about other pairs
	if got, want := Parameter(query, name), values.Get(name); got != want {
		t.Errorf("%q of %q is %q, not %q", name, query, got, want)
	}
}

// TestParameterOfMany: a request costs nothing that grows with what its query has beside.
func TestParameterOfMany(t *testing.T) {
	for _, some := range []string{"a&", "%6f&", "%&", "n%&", "nn=1;&"} {
		query := strings.Repeat(some, defaultMaxHeader/len(some))
		if n := testing.AllocsPerRun(10, func() { Parameter(query, "n") }); n > 0 {
			t.Errorf("a query of many %q allocates %v times", some, n)
		}
	}
}

func BenchmarkParameterOfMany(b *testing.B) {
	query := strings.Repeat("a&", defaultMaxHeader/2)
	b.ReportAllocs()
	for b.Loop() {
		Parameter(query, "token")
	}
}
