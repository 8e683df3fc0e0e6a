package destination

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func mustRule(t testing.TB, s, project string) *Rule {
	t.Helper()
	r, err := ParseRule(s, project)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRuleAllows(t *testing.T) {
	for _, c := range []struct {
		rule, user, dest string
		want             bool
	}{
		{"/topic/{project}/**", "", "/topic/shop/all", true},
		{"/topic/{project}/**", "bob", "/topic/shop/a/b/", true},
		{"/topic/{project}/**", "bob", "/topic/other/all", false},
		{"/topic/{project}-{user}/x", "bob", "/topic/shop-bob/x", true},
		{"/topic/u/{user}/**", "bob", "/topic/u/bob/x", true},
		{"/topic/u/{user}/**", "bob", "/topic/u/bob", true},
		{"/topic/u/{user}/**", "bob", "/topic/u/bobby/x", false},
		{"/topic/u/{user}/**", "bob", "/topic/u/alice/x", false},
		{"/topic/u/{user}/**", "bob", "/topic/u/{user}/x", false},
		// nobody
		{"/topic/u/{user}/**", "", "/topic/u/x", false},
		{"/topic/u/{user}/**", "", "/topic/u//x", false},
		{"/topic/u/{user}*", "", "/topic/u/x", false},
		{"/topic/u/x{user}", "", "/topic/u/x", false},
		// names that look like patterns
		{"/topic/u/{user}/**", "*", "/topic/u/bob/x", false},
		{"/topic/u/{user}/**", "*", "/topic/u/*/x", true},
		{"/topic/u/{user}/x", "**", "/topic/u/a/b/x", false},
		{"/topic/u/{user}/x", "**", "/topic/u/**/x", true},
		{"/topic/u/{user}/x", "???", "/topic/u/bob/x", false},
		{"/topic/u/{user}/x", "{project}", "/topic/u/shop/x", false},
		{"/topic/u/{user}/x", "{user}", "/topic/u/{user}/x", true},
		// names with '/'
		{"/topic/u/{user}/**", "a/b", "/topic/u/a/b/x", false},
		{"/topic/u/{user}/**", "a/b", "/topic/u/a%2Fb/x", true},
		{"/topic/u/{user}/**", "a/b", "/topic/u/a%2Fc/x", false},
		{"/topic/u/{user}/**", "a", "/topic/u/a%2Fb/x", false},
		{"/topic/u/{user}/**", "/", "/topic/u/%2F/x", true},
		{"/topic/u/{user}/**", "a%2Fb", "/topic/u/a%2Fb/x", false}, // would be a/b's
		{"/topic/**", "a%2Fb", "/topic/u/a%2Fb/x", true},
		{"/topic/u/{user}/x", "a%2fb", "/topic/u/a%2fb/x", true},
		// {user} among wildcards, from the left, from the right, between
		{"/topic/?-{user}", "a/b", "/topic/1-a%2Fb", true},
		{"/topic/*-{user}", "a/b", "/topic/1-2-a%2Fb", true},
		{"/topic/*-{user}", "a/b", "/topic/-a%2F", false},
		{"/topic/*-{user}", "a/b", "/topic/b", false},
		{"/topic/*-{user}-*", "a/b", "/topic/1-a%2Fc-a%2Fb-2", true},
		{"/topic/*-{user}-*", "a/b", "/topic/1-a%2Fc-2", false},
		{"/topic/*{user}", "bob", "/topic/bobbob", true},
		{"/topic/{user}{user}", "bob", "/topic/bobbob", true},
		{"/topic/**/{user}", "bob", "/topic/1/2/bob", true},
		{"/topic/**/{user}", "bob", "/topic/1/2/bobo", false},
		{"/user/**", "", "/user/queue/orders", true},
	} {
		if got := mustRule(t, c.rule, "shop").Allows(c.dest, c.user); got != c.want {
			t.Errorf("%s for %q allows %s: %v", c.rule, c.user, c.dest, got)
		}
	}
}

func TestParseRuleErrors(t *testing.T) {
	for _, c := range []struct{ rule, project, want string }{
		{"/topic/{usr}/**", "shop", "{project} and {user}"},
		{"/topic/{user/**", "shop", "{project} and {user}"},
		{"/topic/x}/**", "shop", "{project} and {user}"},
		{"/topic/{{user}}", "shop", "{project} and {user}"},
		{"topic/{user}", "shop", "starts with '/'"},
		{"/topic/\x00/**", "shop", "control"},
		{"/**/{project}/**", "shop", `at most one segment is "**"`},
		{"/topic/{user}{user}{user}{user}{user}", "shop", "{user} may stand 4 times"},
		{"/topic/{project}/**", "", "cannot stand in a destination"},
		{"/topic/{project}/**", "*", "cannot stand in a destination"},
		{"/topic/{project}/**", "a/b", "cannot stand in a destination"},
		{"/topic/{project}/**", "{user}", "cannot stand in a destination"},
		{"/topic/{project}/**", "a\x00", "cannot stand in a destination"},
	} {
		_, err := ParseRule(c.rule, c.project)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("ParseRule(%q, %q): %v, want %q in it", c.rule, c.project, err, c.want)
		}
	}
	if mustRule(t, "/topic/{project}/x", "shop").NamesUser() || !mustRule(t, "/topic/{user}", "").NamesUser() {
		t.Error("NamesUser is wrong")
	}
}

func TestRuleAllowsPattern(t *testing.T) {
	for _, c := range []struct {
		rule, user, pattern string
		want                bool
	}{
		{"/topic/{project}/**", "", "/topic/shop/**", true},
		{"/topic/{project}/**", "", "/topic/shop/*/orders", true},
		{"/topic/{project}/**", "", "/topic/shop/a?/**/x/", true},
		{"/topic/{project}/**", "", "/topic/shop/*", true},
		{"/topic/{project}/**", "", "/topic/shop", true},
		{"/topic/{project}/**", "", "/topic/*/**", false},
		{"/topic/{project}/**", "", "/topic/**", false},
		{"/topic/{project}/**", "", "/**", false},
		{"/topic/{project}/**", "", "/topic/sho?/x", false},
		{"/topic/**", "", "/topic/*", true},
		{"/topic/**", "", "/*/a", false},
		{"/**", "", "/**", true},
		{"/**", "", "/*", true},
		// segment by segment
		{"/topic/*/x", "", "/topic/*/x", true},
		{"/topic/*/x", "", "/topic/a?c/x", true},
		{"/topic/*/x", "", "/topic/a*/x", true},
		{"/topic/*/x", "", "/topic/a*/y", false},
		{"/topic/*/x", "", "/topic/**/x", false},
		{"/topic/a*/x", "", "/topic/*/x", false},
		{"/topic/a*/x", "", "/topic/ab*c/x", true},
		{"/topic/a*c/x", "", "/topic/a*b*c/x", true},
		{"/topic/a*b*c/x", "", "/topic/a*c/x", false},
		{"/topic/?/x", "", "/topic/?/x", true},
		{"/topic/?/x", "", "/topic/a/x", true},
		{"/topic/?/x", "", "/topic/*/x", false},
		{"/topic/?*/x", "", "/topic/*?/x", true},
		{"/topic/*?*?/x", "", "/topic/??*/x", true},
		{"/topic/a/**/z", "", "/topic/a/**/y/z", true},
		{"/topic/a/**/z", "", "/topic/a/b/*/z", true},
		{"/topic/a/**/z", "", "/topic/a/z", true},
		{"/topic/a/**/z", "", "/topic/a/z/", false},
		{"/topic/a/**/z", "", "/topic/a/**", false},
		{"/topic/a/**/z", "", "/topic/a/**/z/", false},
		{"/topic/a/**/z", "", "/topic/a", false},
		// '/' at the end, and the segment that may be missing before it
		{"/topic/a/*", "", "/topic/a/*", true},
		{"/topic/a/?*", "", "/topic/a/*", false}, // not /topic/a/
		{"/topic/a/*", "", "/topic/a/*/", false},
		{"/topic/a/*/", "", "/topic/a/*/", true},
		{"/topic/a/b", "", "/topic/a/b/", false},
		{"/topic/*/**", "", "/topic/*", false}, // not /topic/
		{"/topic/*/**", "", "/topic/*/*", true},
		{"/topic/*/**", "", "/topic/*/", false},
		{"/topic/*/**", "", "/topic/?/", true},
		{"/topic/**/*", "", "/topic/*", false}, // not /topic/
		{"/topic/**/*", "", "/topic/a/?", true},
		// names
		{"/topic/u/{user}/**", "bob", "/topic/u/bob/**", true},
		{"/topic/u/{user}/**", "bob", "/topic/u/bob/*/x", true},
		{"/topic/u/{user}/**", "bob", "/topic/u/*/x", false},
		{"/topic/u/{user}/**", "bob", "/topic/u/**", false},
		{"/topic/u/{user}/**", "", "/topic/u/*/x", false},
		{"/topic/u/{user}/**", "", "/topic/u//**", false},
		{"/topic/u/{user}/**", "*", "/topic/u/*/**", false},
		{"/topic/u/{user}/**", "**", "/topic/u/**", false},
		{"/topic/u/{user}/**", "?", "/topic/u/?/**", false},
		{"/topic/u/{user}/**", "a/b", "/topic/u/a/b/**", false},
		{"/topic/u/{user}/**", "a/b", "/topic/u/a%2Fb/**", true},
		{"/topic/u/{user}/**", "a%2Fb", "/topic/u/a%2Fb/**", false},
		{"/topic/u/{user}/**", "\xff", "/topic/u/\uFFFD/**", false},
		{"/topic/u/*{user}/**", "bob", "/topic/u/*bob/**", true},
		{"/topic/u/?{user}*/**", "bob", "/topic/u/?bob?/**", true},
		{"/topic/u/?{user}*/**", "*", "/topic/u/?*?/**", false},
	} {
		got := mustRule(t, c.rule, "shop").AllowsPattern(mustPattern(t, c.pattern), c.user)
		if got != c.want {
			t.Errorf("%s for %q allows pattern %s: %v", c.rule, c.user, c.pattern, got)
		}
	}
}

// instance makes a destination that p may match.
func instance(rng *rand.Rand, pattern string) string {
	text := func(most int) string {
		var b strings.Builder
		for range rng.IntN(most + 1) {
			b.WriteString([]string{"a", "b", "é", "*", "%2F", "x"}[rng.IntN(6)])
		}
		return b.String()
	}
	var b strings.Builder
	for seg := range strings.SplitSeq(pattern, "/") {
		if seg == "" {
			continue
		}
		if seg == "**" {
			for range rng.IntN(4) {
				b.WriteString("/" + text(2))
			}
			continue
		}
		b.WriteByte('/')
		for _, r := range seg {
			switch r {
			case '*':
				b.WriteString(text(2))
			case '?':
				b.WriteString([]string{"a", "b", "é", "*"}[rng.IntN(4)])
			default:
				b.WriteRune(r)
			}
		}
	}
	if strings.HasSuffix(pattern, "/") != (rng.IntN(4) == 0) || b.Len() == 0 {
		b.WriteByte('/')
	}
	return b.String()
}

// checkCover fails when the rule allows the pattern, and yet not a destination that the pattern matches.
func checkCover(t *testing.T, rng *rand.Rand, rule, pattern, user string, tries int) (covered, tried int) {
	t.Helper()
	r, err := ParseRule(rule, "p")
	if err != nil {
		return
	}
	p, err := ParsePattern(pattern)
	if err != nil || !r.AllowsPattern(p, user) {
		return
	}
	for range tries {
		dest := instance(rng, pattern)
		if !p.Match(dest) {
			continue
		}
		tried++
		if !r.Allows(dest, user) {
			t.Fatalf("rule %q for %q allows pattern %q, but not its %q", rule, user, pattern, dest)
		}
	}
	return 1, tried
}

func TestAllowsPatternIsSound(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	parts := []string{"/", "/a", "/b", "/*", "/**", "/?", "/a*", "/*a", "*", "?", "b", "é"}
	users := []string{"", "a", "*", "**", "a/b", "?", "ab"}
	random := func(parts ...string) string {
		var b strings.Builder
		for range 1 + rng.IntN(5) {
			b.WriteString(parts[rng.IntN(len(parts))])
		}
		return b.String()
	}
	covered, tried := 0, 0
	for range 200_000 {
		rule := random(append(parts, "/{user}", "{user}", "/{project}")...)
		c, n := checkCover(t, rng, rule, random(parts...), users[rng.IntN(len(users))], 10)
		covered, tried = covered+c, tried+n
	}
	if covered < 1000 || tried < 1000 {
		t.Errorf("only %d covered patterns with %d destinations were seen", covered, tried)
	}
}

func FuzzAllowsPattern(f *testing.F) {
	f.Add("/topic/{project}/**", "/topic/p/*/x", "bob", uint64(1))
	f.Add("/topic/u/{user}/**/z", "/topic/u/a%2Fb/**/z", "a/b", uint64(2))
	f.Add("/a/?*/*b*c", "/a/*?/?b?c", "", uint64(3))
	f.Add("/a/*/**", "/a/*/*", "*", uint64(4))
	f.Fuzz(func(t *testing.T, rule, pattern, user string, seed uint64) {
		checkCover(t, rand.New(rand.NewPCG(seed, 0)), rule, pattern, user, 20)
	})
}

func TestRuleAllocates(t *testing.T) {
	r := mustRule(t, "/topic/u/*-{user}-*/**/x", "shop")
	p := mustPattern(t, "/topic/u/1-bob-?/*/x")
	if !r.Allows("/topic/u/1-a%2Fb-2/y/x", "a/b") || !r.AllowsPattern(p, "bob") {
		t.Fatal("refused")
	}
	if n := testing.AllocsPerRun(100, func() { r.Allows("/topic/u/1-a%2Fb-2/y/x", "a/b") }); n != 0 {
		t.Errorf("Allows allocates %v times", n)
	}
	if n := testing.AllocsPerRun(100, func() { r.AllowsPattern(p, "bob") }); n != 0 {
		t.Errorf("AllowsPattern allocates %v times", n)
	}
}

func BenchmarkAllows(b *testing.B) {
	r := mustRule(b, "/topic/u/{user}/**", "shop")
	b.ReportAllocs()
	for b.Loop() {
		r.Allows("/topic/u/alice/orders/42", "alice")
	}
}

func BenchmarkAllowsPattern(b *testing.B) {
	for _, c := range []struct{ name, rule, pattern string }{
		{"user", "/topic/u/{user}/**", "/topic/u/alice/*/new"},
		// The slowest that a rule and a pattern can be made.
		{"worst", strings.Repeat("/*"+strings.Repeat("a", 40)+"b*", 7), strings.Repeat("/*"+strings.Repeat("a", 120), 7)},
		{"worst-any", strings.Repeat("/*?"+strings.Repeat("a", 40)+"b*", 7), strings.Repeat("/*"+strings.Repeat("a", 120), 7)},
		{"worst-suffix", "/*" + strings.Repeat("a", 60) + "b/**", "/*" + strings.Repeat("a", 120)},
	} {
		r, p := mustRule(b, c.rule, "shop"), mustPattern(b, c.pattern)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r.AllowsPattern(p, "alice")
			}
		})
	}
}
