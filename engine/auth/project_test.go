package auth

import (
	"strings"
	"testing"

	"stentor/engine/destination"
)

func mustProject(t testing.TB, c ProjectConfig) *Project {
	t.Helper()
	p, err := NewProject(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustPattern(t testing.TB, s string) *destination.Pattern {
	t.Helper()
	p, err := destination.ParsePattern(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// grantOf is a nil grant for a nil claim.
func grantOf(t testing.TB, p *Project, claim any) *Grant {
	t.Helper()
	if claim == nil {
		return nil
	}
	g := p.grant(claim)
	if g == nil {
		t.Fatalf("claim %v refused", claim)
	}
	return g
}

func TestMaySubscribe(t *testing.T) {
	prefixed := mustProject(t, ProjectConfig{Name: "shop", Anonymous: true, Patterns: true})
	plain := mustProject(t, ProjectConfig{Name: "shop", Anonymous: true, Patterns: true, Style: destination.Plain,
		Subscribe: []string{"/topic/all/**", "/topic/u/{user}/**", "/user/**"}})
	wide := mustProject(t, ProjectConfig{Name: "shop", Anonymous: true, Patterns: true, Subscribe: []string{"/**"}})
	narrow := []any{"/topic/{project}/{user}/**", "/topic/other/x"}
	for _, c := range []struct {
		name    string
		p       *Project
		user    string
		claim   any
		dest    string
		allowed bool
	}{
		{"default rule", prefixed, "", nil, "/topic/shop/all", true},
		{"default rule", prefixed, "", nil, "/user/queue/orders", true},
		{"default rule", prefixed, "", nil, "/topic/shop/*", true},
		{"other project", prefixed, "", nil, "/topic/other/all", false},
		{"other project", wide, "", nil, "/topic/other/all", false},
		{"other project", wide, "", nil, "/topic/*/all", false},
		{"other project", wide, "", nil, "/topic/**", false},
		{"other project", wide, "", nil, "/**", false},
		{"not served", wide, "", nil, "/app/x", false},
		{"plain", plain, "", nil, "/topic/all/x", true},
		{"plain", plain, "", nil, "/topic/all/**", true},
		{"plain", plain, "", nil, "/topic/**", false},
		{"plain", plain, "", nil, "/topic/x", false},
		{"own", plain, "bob", nil, "/topic/u/bob/x", true},
		{"own", plain, "bob", nil, "/topic/u/bob/*", true},
		{"own", plain, "alice", nil, "/topic/u/bob/x", false},
		{"nobody", plain, "", nil, "/topic/u//x", false},
		{"star", plain, "*", nil, "/topic/u/bob/x", false},
		{"star", plain, "*", nil, "/topic/u/*/x", false},
		{"star", plain, "**", nil, "/topic/u/**", false},
		{"slash", plain, "bob/x", nil, "/topic/u/bob/x/y", false},
		{"claim", prefixed, "bob", narrow, "/topic/shop/bob/x", true},
		{"claim", prefixed, "bob", narrow, "/topic/shop/bob/*", true},
		{"claim", prefixed, "bob", narrow, "/topic/shop/alice/x", false},
		{"claim", prefixed, "bob", narrow, "/topic/shop/**", false},
		{"claim never widens", prefixed, "bob", narrow, "/topic/other/x", false},
		{"claim never widens", plain, "bob", "/**", "/topic/x", false},
		{"claim never widens", plain, "bob", "/**", "/topic/*", false},
		{"claim of a string", prefixed, "bob", "/topic/shop/a", "/topic/shop/a", true},
		{"claim of a string", prefixed, "bob", "/topic/shop/a", "/topic/shop/b", false},
		{"claim of nothing", prefixed, "bob", []any{}, "/topic/shop/a", false},
	} {
		g := grantOf(t, c.p, c.claim)
		var got bool
		if destination.IsPattern(c.dest) {
			got = c.p.MaySubscribePattern(c.user, g, mustPattern(t, c.dest))
		} else {
			got = c.p.MaySubscribe(c.user, g, c.dest)
		}
		if got != c.allowed {
			t.Errorf("%s: user %q, claim %v, %s: %v", c.name, c.user, c.claim, c.dest, got)
		}
	}
	off := mustProject(t, ProjectConfig{Name: "shop", Anonymous: true})
	if off.MaySubscribePattern("", nil, mustPattern(t, "/topic/shop/*")) || off.Patterns() || !prefixed.Patterns() {
		t.Error("patterns are on by default")
	}
}

func TestSendAction(t *testing.T) {
	p := mustProject(t, ProjectConfig{Name: "shop", Anonymous: true, Style: destination.Plain, Subscribe: []string{}, Send: []SendRule{
		{"/topic/**", Deny},
		{"/topic/chat/**", Push},
		{"/topic/chat/*", Ignore},
		{"/topic/chat/room-*", Push},
		{"/topic/chat/room-?", Deny},
		{"/topic/chat/room-1", Ignore},
		{"/topic/{project}/x", Push},
		{"/app/**", Push},
		{"/app/deny", Deny},
	}})
	for dest, want := range map[string]SendAction{
		"/topic/x":           Deny,
		"/topic/chat/a/b":    Push,
		"/topic/chat/a":      Ignore,
		"/topic/chat/room-1": Ignore,
		"/topic/chat/room-2": Deny,
		"/topic/chat/room-":  Push,
		"/topic/shop/x":      Push,
		"/app/x":             Ignore, // nobody could subscribe to it
		"/app/deny":          Deny,
		"/queue/x":           Ignore,
		"":                   Ignore,
	} {
		if got := p.SendAction(dest); got != want {
			t.Errorf("SendAction(%s) = %d, want %d", dest, got, want)
		}
	}
	none := mustProject(t, ProjectConfig{Name: "shop", Anonymous: true})
	if none.SendAction("/topic/shop/x") != Ignore {
		t.Error("not ignored by default")
	}
}

func TestSendRulesOrder(t *testing.T) {
	want := []string{"/topic/chat/a/b", "/topic/chat", "/topic/chat/room-?", "/topic/chat/room-*", "/topic/chat/ro?m", "/topic/chat/*/x", "/topic/chat/*",
		"/topic/chat/**/x", "/topic/chat/**", "/topic/**"}
	var rules []SendRule
	for i := range want {
		rules = append(rules, SendRule{want[(i*3+5)%len(want)], Push})
	}
	sorted, err := compileSend(rules, "shop")
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range sorted {
		if r.text != want[i] {
			t.Errorf("%d: %s, want %s", i, r.text, want[i])
		}
	}
}

func TestNewProjectErrors(t *testing.T) {
	key := signers()[hs256].key("a")
	for _, c := range []struct {
		want   string
		change func(*ProjectConfig)
	}{
		{"name: found 0 bytes", func(c *ProjectConfig) { c.Name = "" }},
		{"name: found 65 bytes", func(c *ProjectConfig) { c.Name = strings.Repeat("a", 65) }},
		{"name: found", func(c *ProjectConfig) { c.Name = "*" }},
		{"name: found", func(c *ProjectConfig) { c.Name = "a/b" }},
		{"name: found", func(c *ProjectConfig) { c.Name = ".." }},
		{"name: found", func(c *ProjectConfig) { c.Name = "{user}" }},
		{"keys: found none", func(c *ProjectConfig) { c.Keys = nil }},
		{`keys: found kid "a" twice`, func(c *ProjectConfig) { c.Keys = append(c.Keys, key) }},
		{`keys: key "b": found alg "x"`, func(c *ProjectConfig) { c.Keys = append(c.Keys, Key{ID: "b", Alg: "x"}) }},
		{"api_keys[1]: the key is empty", func(c *ProjectConfig) { c.APIKeys = []string{"k", ""} }},
		{"api_keys[0]: byte 2", func(c *ProjectConfig) { c.APIKeys = []string{"k k"} }},
		{"user_claims", func(c *ProjectConfig) { c.UserClaims = []string{"sub", ""} }},
		{"subscribe: a project with plain", func(c *ProjectConfig) { c.Style = destination.Plain }},
		{`subscribe: rule "/x/{usr}"`, func(c *ProjectConfig) { c.Subscribe = []string{"/x/{usr}"} }},
		{`send: rule "x"`, func(c *ProjectConfig) { c.Send = []SendRule{{"x", Push}} }},
		{"send: rule \"/{user}\": only {project}", func(c *ProjectConfig) { c.Send = []SendRule{{"/{user}", Push}} }},
		{"found action 4", func(c *ProjectConfig) { c.Send = []SendRule{{"/x", Deny + 1}} }},
		{"found twice", func(c *ProjectConfig) { c.Send = []SendRule{{"/shop", Push}, {"/{project}", Deny}} }},
	} {
		config := ProjectConfig{Name: "shop", Keys: []Key{key}}
		c.change(&config)
		_, err := NewProject(config)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "project ") {
			t.Errorf("%v, want %q in it", err, c.want)
		}
	}
}

func TestAPIKeys(t *testing.T) {
	a := mustProject(t, ProjectConfig{Name: "a", Anonymous: true, APIKeys: []string{"key-1", "key-2"}})
	b := mustProject(t, ProjectConfig{Name: "b", Anonymous: true, Style: destination.Plain, Subscribe: []string{"/topic/**"}})
	ps, err := NewProjects([]*Project{a, b}, []string{"admin"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		project, key string
		want         bool
	}{
		{"a", "key-1", true}, {"a", "key-2", true}, {"a", "key-3", false}, {"a", "", false}, {"a", "admin", false},
		{"b", "key-1", false}, {"b", "", false}, {"c", "key-1", false},
	} {
		if got := ps.APIKey(c.project, c.key); got != c.want {
			t.Errorf("APIKey(%q, %q) = %v", c.project, c.key, got)
		}
	}
	if !ps.AdminKey("admin") || ps.AdminKey("key-1") || ps.AdminKey("") {
		t.Error("AdminKey is wrong")
	}
	if !ps.Exists("a") || ps.Exists("c") || ps.Exists("") {
		t.Error("Exists is wrong")
	}
	if !ps.Own("a", "/topic/a/x") || ps.Own("a", "/topic/b/x") || !ps.Own("b", "/topic/b/x") || ps.Own("c", "/topic/c/x") {
		t.Error("Own is wrong")
	}
	if err := ps.Swap([]*Project{a, a}, nil); err == nil || !strings.Contains(err.Error(), `project "a": found twice`) {
		t.Error(err)
	}
	if err := ps.Swap([]*Project{a}, []string{""}); err == nil || !strings.Contains(err.Error(), "admin_keys[0]") {
		t.Error(err)
	}
	if !ps.Exists("b") {
		t.Error("a failed swap changed something")
	}
	if err := ps.Swap([]*Project{a}, nil); err != nil || ps.Exists("b") || ps.AdminKey("admin") {
		t.Error("not swapped", err)
	}
}

func TestMaySubscribeAllocates(t *testing.T) {
	p := mustProject(t, ProjectConfig{Name: "shop", Anonymous: true, Subscribe: []string{"/topic/{project}/all/**", "/topic/{project}/u/{user}/**"},
		Send: []SendRule{{"/topic/{project}/chat/*", Push}}})
	g := grantOf(t, p, []any{"/topic/shop/u/**"})
	if !p.MaySubscribe("a/b", g, "/topic/shop/u/a%2Fb/x") {
		t.Fatal("refused")
	}
	if n := testing.AllocsPerRun(100, func() {
		p.MaySubscribe("a/b", g, "/topic/shop/u/a%2Fb/x")
		p.SendAction("/topic/shop/chat/x")
	}); n != 0 {
		t.Errorf("MaySubscribe and SendAction allocate %v times", n)
	}
}

func BenchmarkMaySubscribe(b *testing.B) {
	p := mustProject(b, ProjectConfig{Name: "shop", Anonymous: true})
	b.ReportAllocs()
	for b.Loop() {
		p.MaySubscribe("bob", nil, "/user/queue/orders")
	}
}
