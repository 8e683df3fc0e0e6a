package auth

import (
	"slices"
	"testing"

	"stentor/engine/destination"
)

func TestExamples(t *testing.T) {
	for _, c := range []struct {
		about    string
		style    destination.Style
		patterns bool
		rules    []string
		send     []SendRule
		want     []string
		sends    string
	}{
		{about: "defaults", want: []string{"/topic/shop/all", "/user/queue/orders"}},
		{about: "patterns", patterns: true, want: []string{"/topic/shop/all", "/topic/shop/**", "/user/queue/orders"}},
		{about: "plain", style: destination.Plain, rules: []string{"/topic/**", "/queue/news"}, want: []string{"/topic/all", "/queue/news"}},
		{about: "a user's own", style: destination.Plain, rules: []string{"/topic/users/{user}/**"}, want: []string{"/topic/users/{user}/all"}},
		{about: "everything, prefixed", rules: []string{"/**"}, want: []string{"/topic/shop/all", "/user/queue/orders"}},
		{about: "parts of a segment", rules: []string{"/topic/{project}/order-*/??"}, want: []string{"/topic/shop/order-1/11"}},
		{about: "another project's", rules: []string{"/topic/other/**"}, want: nil},
		{about: "sends", send: []SendRule{{"/topic/{project}/**", Ignore}, {"/topic/{project}/deny/**", Deny}, {"/topic/{project}/chat/**", Push}},
			want: []string{"/topic/shop/all", "/user/queue/orders"}, sends: "/topic/shop/chat/all"},
	} {
		p, err := NewProject(ProjectConfig{Name: "shop", Anonymous: true, Style: c.style, Patterns: c.patterns, Subscribe: c.rules, Send: c.send})
		if err != nil {
			t.Fatalf("%s: %v", c.about, err)
		}
		got := p.Examples()
		for _, want := range c.want {
			if !slices.Contains(got.Subscribe, want) {
				t.Errorf("%s: %q lacks %s", c.about, got.Subscribe, want)
			}
		}
		if len(got.Subscribe) > maxExamples || len(got.Subscribe) != len(c.want) || got.Send != c.sends {
			t.Errorf("%s: %+v, want %q and %q", c.about, got, c.want, c.sends)
		}
	}
}
