package destination

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// model is an Index as simple as can be.
type model map[string]*Pattern

func (m model) matches(dest string) (found []string) {
	for text, p := range m {
		if p.Match(dest) {
			found = append(found, text)
		}
	}
	slices.Sort(found)
	return found
}

func (m model) steps() (sum int) {
	for _, p := range m {
		sum += p.Steps()
	}
	return sum
}

// play does what script says to an index and to a model: each line is "+pattern", "-pattern", or a destination.
func play(t *testing.T, script string) (matched int) {
	t.Helper()
	x, m := &Index[string]{}, model{}
	for line := range strings.SplitSeq(script, "\n") {
		if line == "" || len(m) > 200 {
			continue
		}
		if op := line[0]; op == '+' || op == '-' {
			p, err := ParsePattern(line[1:])
			if err != nil {
				continue
			}
			if op == '+' {
				x.Put(p, p.String())
				m[p.String()] = p
			} else {
				x.Remove(p)
				delete(m, p.String())
			}
			if x.Len() != len(m) || x.Steps() > literalSteps+m.steps() {
				t.Fatalf("after %q: %d patterns, want %d; %d steps, at most %d", line, x.Len(), len(m), x.Steps(), literalSteps+m.steps())
			}
			if anew := rebuilt(m); anew.Steps() != max(1, x.Steps()) {
				t.Fatalf("after %q: %d steps, an index made of the same patterns has %d", line, x.Steps(), anew.Steps())
			}
			continue
		}
		if Check(line) != nil {
			continue
		}
		found := x.AppendMatches(nil, line)
		if again := rebuilt(m).AppendMatches(nil, line); !slices.Equal(again, found) {
			t.Fatalf("%q finds %q, an index made of the same patterns %q", line, found, again)
		}
		matched += len(found)
		if len(found) > x.Steps() {
			t.Fatalf("%q finds %d in %d steps", line, len(found), x.Steps())
		}
		slices.Sort(found)
		if want := m.matches(line); !slices.Equal(found, want) {
			t.Fatalf("%q finds %q, want %q, of %q", line, found, want, m)
		}
	}
	return matched
}

// rebuilt is an index of m's patterns that came in another order.
func rebuilt(m model) *Index[string] {
	x := &Index[string]{}
	x.root.count()
	for text, p := range m {
		x.Put(p, text)
	}
	return x
}

func TestIndexFindsWhatMatches(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	segments := []string{"a", "b", "aa", "ab", "*", "*", "**", "?", "a*", "*a", "a?", "*a*", "?*", "a*b", "***", "é", "é*", "*b?a*"}
	text := func(parts []string) string {
		var b strings.Builder
		for range 1 + rng.IntN(4) {
			b.WriteString("/" + parts[rng.IntN(len(parts))])
			if rng.IntN(20) == 0 {
				b.WriteByte('/')
			}
		}
		if rng.IntN(4) == 0 {
			b.WriteByte('/')
		}
		return b.String()
	}
	matched := 0
	for range 500 {
		var script strings.Builder
		var in []string
		for range 60 {
			switch n := rng.IntN(4); {
			case n == 0 && len(in) > 0:
				script.WriteString("-" + in[rng.IntN(len(in))] + "\n")
			case n <= 1:
				in = append(in, text(segments))
				script.WriteString("+" + in[len(in)-1] + "\n")
			default:
				script.WriteString(text([]string{"a", "b", "aa", "ab", "é", "aab", "abab"}) + "\n")
			}
		}
		matched += play(t, script.String())
	}
	if matched < 3000 {
		t.Errorf("only %d matches were seen", matched)
	}
}

func TestIndexEdges(t *testing.T) {
	play(t, "+/\n+//\n+/*\n+/**\n+/*/\n/\n//\n/a\n/a/\n-/**\n-/**\n-/nothing\n/\n-/\n/\n/a")
	play(t, "+/a/**/b\n+/a/b/**/b\n+/**/b/\n/a/b\n/a/b/b\n/b/\n/a/b/\n/b\n-/a/**/b\n/a/b/b")
	x := &Index[int]{}
	x.Put(mustPattern(t, "/a/*"), 1)
	x.Put(mustPattern(t, "/a/*"), 2)
	x.Put(mustPattern(t, "/a//*"), 3)
	if got := x.AppendMatches([]int{0}, "/a/b"); x.Len() != 2 || !slices.Equal(got, []int{0, 2, 3}) {
		t.Errorf("found %v of %d", got, x.Len())
	}
	if got := x.AppendMatches(nil, "a/b"); got != nil {
		t.Errorf("found %v", got)
	}
}

func FuzzIndex(f *testing.F) {
	f.Add("+/a/**/b*c?\n/a/x/bxxcy\n-/a/**/b*c?\n/a/x/bxxcy")
	f.Add("+/a/*\n+/a/*/\n+/a//*\n/a/\n/a/b\n/a/b/\n-/a/*/\n/a/")
	f.Add("+/ab*\n+/a*\n+/é?*\n+/é*\n/abc\n/é😀\n-/a*\n/ab")
	f.Add("+/**/a/*b\n+/x/**/a\n+/**\n/x/a/a\n/x/a/bb\n/")
	f.Fuzz(func(t *testing.T, script string) { play(t, script) })
}

// TestIndexStepsStay says that patterns which exclude each other cost as much as one of them, however many there are,
// and that those which can all match cost their sum.
func TestIndexStepsStay(t *testing.T) {
	for _, c := range []struct {
		pattern string
		one     int // steps of one such pattern
		same    bool
	}{
		{"/topic/p/*/orders/%d", 7, true},
		{"/topic/p/%d/**", 6, true},
		{"/topic/p/**/%d", 6, true},
		{"/topic/p/PRICE.%03d.*", 7, true},
		{"/topic/p/%d?", 7, false}, // prefixes of 1, 2 and 3 bytes
	} {
		x := &Index[int]{}
		for i := range 1000 {
			x.Put(mustPattern(t, fmt.Sprintf(c.pattern, i)), i)
			if i == 0 && x.Steps() != c.one {
				t.Errorf("%s: one takes %d steps, want %d", c.pattern, x.Steps(), c.one)
			}
		}
		if most := 3 * c.one; x.Steps() > most || c.same && x.Steps() != c.one {
			t.Errorf("%s: 1000 take %d steps, one %d", c.pattern, x.Steps(), c.one)
		}
	}
}

// hostile makes sets of patterns that cost as much as they can, for destinations to match.
var hostile = []struct {
	name, dest string
	pattern    func(i int) string
}{
	// A '*' or a literal at each of ten places: nothing excludes anything.
	{"subsets", "/t/a/a/a/a/a/a/a/a/a/a", func(i int) string {
		s := "/t"
		for bit := range 10 {
			s += [2]string{"/*", "/a"}[i>>bit&1]
		}
		return s
	}},
	{"long-subsets", "/t" + strings.Repeat("/"+strings.Repeat("a", 90), 10), func(i int) string {
		s := "/t"
		for bit := range 10 {
			s += [2]string{"/*", "/" + strings.Repeat("a", 90)}[i>>bit&1]
		}
		return s
	}},
	{"stars", "/t" + strings.Repeat("/a", 31), func(i int) string { return "/t" + strings.Repeat("/*", i%31) + "/**" + strings.Repeat("/", i/31) }},
	{"deep", "/t" + strings.Repeat("/a", 200), func(i int) string {
		return "/t" + strings.Repeat("/a", i%10) + "/**" + strings.Repeat("/a", i/10%10) + "/*" + strings.Repeat("/a", i/100)
	}},
	{"globs", "/t/" + strings.Repeat("a", 1000), func(i int) string { return "/t/" + strings.Repeat("a", i%30) + "*" + strings.Repeat("a", 1+i/30) }},
	{"search", "/t/" + strings.Repeat("a", 1000), func(i int) string { return fmt.Sprintf("/t/*%sb%d*", strings.Repeat("a", 40), i) }},
	{"search-any", "/t/" + strings.Repeat("a", 1000), func(i int) string { return fmt.Sprintf("/t/*a?%db*", i) }},
	{"pieces", "/t/" + strings.Repeat("a", 1000), func(i int) string { return fmt.Sprintf("/t/*%d*%s", i, strings.Repeat("a*", 25)) }},
}

// fillSteps puts patterns in, as many as the steps allow.
func fillSteps(t testing.TB, x *Index[int], pattern func(int) string, most, patterns int) {
	for i := range patterns {
		p := mustPattern(t, pattern(i))
		if x.Put(p, i); x.Steps() > most {
			x.Remove(p)
		}
	}
}

func TestIndexAllocates(t *testing.T) {
	for _, h := range hostile {
		x := &Index[int]{}
		fillSteps(t, x, h.pattern, 1000, 1000)
		found := x.AppendMatches(nil, h.dest)
		if n := testing.AllocsPerRun(10, func() { found = x.AppendMatches(found[:0], h.dest) }); n != 0 {
			t.Errorf("%s: a look-up allocates %v times", h.name, n)
		}
	}
}

// TestPatternBytes: what Bytes says is enough, and not far too much, for patterns that have nothing in common.
func TestPatternBytes(t *testing.T) {
	const n = 2000
	heap := func() int {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	for name, pattern := range map[string]func(i int) string{
		"long":   func(i int) string { return fmt.Sprintf("/%d", i) + strings.Repeat("/abc", 30) + "/*" },
		"globs":  func(i int) string { return fmt.Sprintf("/%d", i) + strings.Repeat("/a*b", 30) + "/*" },
		"behind": func(i int) string { return fmt.Sprintf("/%d/**", i) + strings.Repeat("/abc", 30) },
		"short":  func(i int) string { return fmt.Sprintf("/%d/*", i) },
	} {
		x, all, told := &Index[int]{}, make([]*Pattern, 0, n), 0
		before := heap()
		for i := range n {
			p := mustPattern(t, pattern(i))
			x.Put(p, i)
			all = append(all, p)
			told += p.Bytes()
		}
		took := heap() - before
		t.Logf("%s: %d bytes for each, %d told", name, took/n, told/n)
		if took > told || told > 3*took {
			t.Errorf("%s: %d bytes for each, %d told", name, took/n, told/n)
		}
		runtime.KeepAlive(x)
		runtime.KeepAlive(all)
	}
}

// BenchmarkIndex shows what a step takes with the worst sets.
func BenchmarkIndex(b *testing.B) {
	for _, h := range hostile {
		b.Run(h.name, func(b *testing.B) {
			x := &Index[int]{}
			fillSteps(b, x, h.pattern, 1000, 1000)
			var found []int
			b.ReportAllocs()
			for b.Loop() {
				found = x.AppendMatches(found[:0], h.dest)
			}
			ns := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
			b.ReportMetric(ns/float64(x.Steps()), "ns/step")
			b.ReportMetric(float64(x.Len()), "patterns")
			b.ReportMetric(float64(x.Steps()), "steps")
			b.ReportMetric(float64(len(found)), "found")
		})
	}
}
