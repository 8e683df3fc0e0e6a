package config

import (
	"slices"
	"testing"
)

func TestFixedChanges(t *testing.T) {
	change := func(settings ...string) []string {
		t.Helper()
		c, err := LoadDev(nil, settings)
		if err != nil {
			t.Fatal(err)
		}
		return Dev().FixedChanges(c)
	}
	if got := change("projects.demo.anonymous=false", "projects.demo.keys=[{alg: HS256, secret: 0123456789012345678901234567890123}]", "admin_keys=other-key"); len(got) > 0 {
		t.Errorf("a reload takes these up, but they are reported: %v", got)
	}
	want := []string{"endpoints", "endpoints[0].path", "limits.push_bytes"}
	if got := change("limits.push_bytes=2MiB", "endpoints=[{path: /other, origins: [loopback]}]"); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
