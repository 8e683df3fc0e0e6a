package auth

import (
	"fmt"
	"strings"
	"testing"
)

// hundreds are many projects, and a key that nobody has, as long as a header may be.
func hundreds(t testing.TB) (p *Projects, key string) {
	var list []*Project
	for i := range 500 {
		list = append(list, mustProject(t, ProjectConfig{Name: fmt.Sprint("p", i), Anonymous: true, APIKeys: []string{fmt.Sprint("key", i)}}))
	}
	p, err := NewProjects(list, []string{"admin"})
	if err != nil {
		t.Fatal(err)
	}
	return p, strings.Repeat("k", 8<<10)
}

func TestOwner(t *testing.T) {
	p, key := hundreds(t)
	for key, want := range map[string]string{"key0": "p0", "key499": "p499", "admin": ""} {
		if owner, known := p.Owner(key); owner != want || !known {
			t.Errorf("%s is %q's, known %v", key, owner, known)
		}
	}
	if owner, known := p.Owner(key); owner != "" || known {
		t.Errorf("a key that nobody has is %q's, known %v", owner, known)
	}
	// Anybody may ask, before anything is known of him: the key is hashed once, not once for each project.
	if n := testing.AllocsPerRun(10, func() { p.Owner(key) }); n > 1 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkOwner(b *testing.B) {
	p, key := hundreds(b)
	b.ReportAllocs()
	for b.Loop() {
		p.Owner(key)
	}
}
