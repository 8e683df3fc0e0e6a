package destination

import (
	"regexp"
	"strings"
	"testing"
)

func mustPattern(t testing.TB, s string) *Pattern {
	t.Helper()
	p, err := ParsePattern(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestMatch has the table of the package comment, and what else is worth a line. Spring 6.1's AntPathMatcher
// was seen to answer alike, on these rows (braces apart) and on three million random ones.
func TestMatch(t *testing.T) {
	for _, c := range []struct{ pattern, yes, no string }{
		{"/a/b", "/a/b /a//b //a/b", "/a/b/ /a/c /a /a/b/c a/b"},
		{"/a/b/", "/a/b/ /a/b//", "/a/b /a/"},
		{"/a/*", "/a/b /a/", "/a /a/b/ /a/b/c /"},
		{"/a/*/", "/a/b/ /a/", "/a/b /a"},
		{"/a/?", "/a/b /a/é /a/😀", "/a/ /a/bc /a"},
		{"/a/**", "/a /a/ /a/b /a/b/ /a/b/c", "/ab / /b/a"},
		{"/a/**/", "/a /a/ /a/b /a/b/ /a/b/c", "/ab"},
		{"/a/**/z", "/a/z /a/b/z /a/b/c/z /a/z/z", "/a/z/ /a /a/zz /z"},
		{"/a/**/z/", "/a/z/ /a/b/z/", "/a/z"},
		{"/a/**/*", "/a/b /a/b/c", "/a /a/ /a/b/"},
		{"/a/*/**", "/a/b /a/b/ /a/b/c", "/a /a/"},
		{"/**", "/ /a /a/b/", "a"},
		{"/*", "/a /", "/a/b /a/"},
		{"/", "/ //", "/a"},
		{"/a/***", "/a/b", "/a/ /a/b/c"},
		{"/a/b**c", "/a/bc /a/bxc", "/a/b/c"},
		{"/a/x*", "/a/x /a/xyz", "/a/ /a/yx"},
		{"/a/*x", "/a/x /a/yx", "/a/xy"},
		{"/a/x*y*z", "/a/xyz /a/x1y2y3z /a/xyyz", "/a/xz /a/xy /a/yz"},
		{"/a/x*x", "/a/xx /a/xxx", "/a/x"},
		{"/a/*b?*d", "/a/bcd /a/abbxd", "/a/bd /a/bcdx"},
		{"/a/?*", "/a/b /a/bc", "/a/"},
		{"/a/*?", "/a/b /a/éé", "/a/"},
		{"/t?st/**/x?", "/test/xa /test/a/b/xé", "/tst/xa /test/x"},
		{"/a/{b}", "/a/{b}", "/a/b"},
		{"/价格/*/今天", "/价格/上海/今天", "/价格/今天"},
	} {
		p := mustPattern(t, c.pattern)
		if p.String() != c.pattern {
			t.Errorf("String() = %q, want %q", p.String(), c.pattern)
		}
		for dest := range strings.FieldsSeq(c.yes) {
			if !p.Match(dest) {
				t.Errorf("%s does not match %s", c.pattern, dest)
			}
		}
		for dest := range strings.FieldsSeq(c.no) {
			if p.Match(dest) {
				t.Errorf("%s matches %s", c.pattern, dest)
			}
		}
		if p.Match("") {
			t.Errorf("%s matches nothing at all", c.pattern)
		}
	}
}

func TestParsePatternErrors(t *testing.T) {
	for s, want := range map[string]string{
		"a/*":                                "starts with '/'",
		"":                                   "starts with '/'",
		"/a/**/b/**":                         `at most one segment is "**"`,
		"/**/**":                             `at most one segment is "**"`,
		"/a\x00/*":                           "control",
		"/\xff":                              "UTF-8",
		"/" + strings.Repeat("a", 1024):      "1024 bytes",
		"/*" + strings.Repeat("a", 63) + "*": "at most 64 bytes, found 65",
		"/*" + strings.Repeat("a", 128):      "at most 128 bytes, found 129",
		strings.Repeat("/*", 33):             "at most 32 segments",
	} {
		_, err := ParsePattern(s)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParsePattern(%.20q): %v, want %q in it", s, err, want)
		}
	}
}

// reference says what match should, slowly and by other means.
func reference(pattern, dest string) bool {
	if !strings.HasPrefix(dest, "/") {
		return false
	}
	fields := func(s string) []string { return strings.FieldsFunc(s, func(r rune) bool { return r == '/' }) }
	pats, segs := fields(pattern), fields(dest)
	patSlash, slash := strings.HasSuffix(pattern, "/"), strings.HasSuffix(dest, "/")
	same := func(pats, segs []string) bool {
		for i, pat := range pats {
			expr := regexp.QuoteMeta(pat)
			expr = strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(expr)
			if !regexp.MustCompile(`^(?s:` + expr + `)$`).MatchString(segs[i]) {
				return false
			}
		}
		return true
	}
	for i, pat := range pats {
		if pat != "**" {
			continue
		}
		behind := len(pats) - i - 1
		return len(segs) >= i+behind && same(pats[:i], segs) && same(pats[i+1:], segs[len(segs)-behind:]) &&
			(behind == 0 || patSlash == slash)
	}
	n := len(segs)
	if n == len(pats) {
		return patSlash == slash && same(pats, segs)
	}
	return n+1 == len(pats) && pats[n] == "*" && slash && same(pats[:n], segs)
}

func FuzzMatch(f *testing.F) {
	for _, s := range [][2]string{
		{"/a/**/b*c?", "/a/x/bxxcy"}, {"/*a*b*/", "/aabb/"}, {"/**", "/"}, {"/a/*", "/a/"}, {"/?*?", "/é😀"},
		{"/{a}/***", "/{a}/x"}, {"//a//**//b", "/a/b"}, {"/.+(x)*", "/.+(x)"},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, dest string) {
		p, err := ParsePattern(pattern)
		if err != nil || Check(dest) != nil {
			return
		}
		if got, want := p.Match(dest), reference(pattern, dest); got != want {
			t.Fatalf("%q matches %q: %v, want %v", pattern, dest, got, want)
		}
	})
}

func TestMatchAllocates(t *testing.T) {
	p := mustPattern(t, "/topic/*/a*b?c*/**/x/y")
	if n := testing.AllocsPerRun(100, func() { p.Match("/topic/é/aabbcc/1/2/3/x/y") }); n != 0 {
		t.Errorf("Match allocates %v times", n)
	}
}

func BenchmarkMatch(b *testing.B) {
	long := strings.Repeat("a", 1000)
	for _, c := range []struct{ name, pattern, dest string }{
		{"deep", "/topic/shop/**", "/topic/shop/shanghai/orders/42"},
		{"segment", "/topic/shop/*/orders/*", "/topic/shop/shanghai/orders/42"},
		{"other", "/topic/shop/*/orders/*", "/topic/chat/shanghai/orders/42"},
		// The slowest that a pattern and a destination can be made.
		{"worst", "/*?" + strings.Repeat("a", 59) + "b*", "/" + long},
		{"worst-many", "/" + strings.Repeat("*?a", 21), "/" + long},
	} {
		p := mustPattern(b, c.pattern)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Match(c.dest)
			}
		})
	}
}
