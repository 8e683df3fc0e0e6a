package auth

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

func TestGrantIsShared(t *testing.T) {
	p := mustProject(t, ProjectConfig{Name: "shop", Anonymous: true})
	a := p.grant([]any{"/topic/a", "/topic/b", "/topic/a"})
	b := p.grant([]any{"/topic/b", "/topic/a"})
	if a == nil || a != b {
		t.Error("equal claims have two grants")
	}
	if one, list := p.grant("/topic/a"), p.grant([]any{"/topic/a"}); one == nil || one != list || one == a {
		t.Error("a string is not the list of it")
	}
	if p.grant([]any{"/topic/ab"}) == p.grant([]any{"/topic/a", "/b"}) {
		t.Error("different claims share a grant")
	}
	runtime.KeepAlive(a)
}

// slow is a claim whose rules are searched for in a destination.
func slow(n int, rule string) (list []any) {
	for i := range n {
		list = append(list, fmt.Sprintf("/topic/"+rule, i))
	}
	return list
}

func TestGrantRefusesMalformedClaims(t *testing.T) {
	p := mustProject(t, ProjectConfig{Name: "shop", Anonymous: true})
	var many []any
	for i := range maxGrantRules + 1 {
		many = append(many, fmt.Sprintf("/topic/%d", i))
	}
	if p.grant(many[:maxGrantRules]) == nil {
		t.Error("64 patterns refused")
	}
	if p.grant(slow(1, "*-{user}-%d*")) == nil || p.grant(slow(50, "*abc%d*")) == nil {
		t.Error("a few slow patterns refused")
	}
	for name, claim := range map[string]any{
		"null":          nil,
		"number":        1.0,
		"object":        map[string]any{"a": "b"},
		"list":          []any{"/topic/a", 1.0},
		"null in list":  []any{nil},
		"too many":      many,
		"too long":      "/" + strings.Repeat("a", 1024),
		"far too long":  "/" + strings.Repeat("a", 70_000),
		"empty":         "",
		"no slash":      "topic/a",
		"two **":        "/**/**",
		"unknown brace": "/topic/{x}",
		"control":       "/topic/a\nb",
		"slow":          slow(60, "*a?%d*"),
		"slow names":    slow(2, "*-{user}-%d*"),
		"slow searches": slow(64, "*aaaa*bbbb%d*"),
	} {
		if p.grant(claim) != nil {
			t.Errorf("%s: accepted", name)
		}
		if p.grant(claim) != nil {
			t.Errorf("%s: accepted the second time", name)
		}
	}
}

// TestGrantsAreForgotten holds a few grants while thousands come and go.
func TestGrantsAreForgotten(t *testing.T) {
	p := mustProject(t, ProjectConfig{Name: "shop", Anonymous: true})
	held := p.grant("/topic/held")
	most := 0
	for i := range 4000 {
		p.grant(fmt.Sprintf("/topic/%d", i))
		if i%50 == 0 {
			runtime.GC()
		}
		most = max(most, len(p.grants.known))
	}
	if most > 400 {
		t.Errorf("%d grants were known at once", most)
	}
	if p.grant("/topic/held") != held {
		t.Error("a grant that is held was forgotten")
	}
	runtime.KeepAlive(held)
}

// TestGrantBytes: what Bytes says is what grants take that have nothing in common, but for a little.
func TestGrantBytes(t *testing.T) {
	p := mustProject(t, ProjectConfig{Name: "shop", Anonymous: true})
	heap := func() int {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	for _, rule := range []string{"/topic/%d/" + strings.Repeat("a", 80) + "/%d", "/topic/%d/%d/**", "/topic/%d/*/{user}/*/%d"} {
		before, told := heap(), 0
		var all []*Grant
		for i := range 300 {
			var claim []any
			for j := range maxGrantRules {
				claim = append(claim, fmt.Sprintf(rule, i, j))
			}
			all = append(all, p.grant(claim))
			told += all[i].Bytes()
		}
		if took := heap() - before; told < took*2/3 || told > 2*took {
			t.Errorf("%s: %d bytes for each, %d told", rule, took/len(all), told/len(all))
		}
		runtime.KeepAlive(all)
	}
}
