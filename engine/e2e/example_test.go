package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestClientExample runs the example of docs/clients.md as it stands: it asks for a token before each attempt, comes back
// after its connection ended, and shows each message once, those that were pushed meanwhile too.
func TestClientExample(t *testing.T) {
	t.Parallel()
	blocks := pageBlocks(t, "../../docs/clients.md")
	i := slices.IndexFunc(blocks, func(b block) bool { return b.language == "js" })
	if i < 0 {
		t.Fatal("docs/clients.md has no example")
	}
	file := filepath.Join(t.TempDir(), "example.js")
	if err := os.WriteFile(file, []byte(blocks[i].text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, setup{})
	example := launch(t, "example.js", file, "ws://"+s.Client+"/ws").actor(t, "example")
	pushed := 0
	push := func() {
		t.Helper()
		pushed++
		s.push(t, fields{"user": "ann", "destination": "/queue/orders", "payload": fields{"order": pushed}})
	}
	shown := func() {
		t.Helper()
		want := fmt.Sprintf(`{"order":%d}`, pushed)
		if r := example.wantEvent("message"); r.Body != want {
			t.Fatalf("shows %s, want %s", r.Body, want)
		}
	}
	for life := range 3 {
		example.wantEvent("token")
		if life > 0 { // while it is away
			push()
		}
		example.do("token", fields{"token": s.Token(t, "shop", "ann")})
		if life > 0 {
			shown()
		} else {
			eventually(t, "its subscription", func() bool { return s.Metric(t, "stentor_subscriptions") == 1 })
		}
		push()
		shown()
		s.Must(t, http.MethodDelete, "/v1/projects/shop/users/ann/sessions", "shop-key", nil)
	}
	if gaps := s.Metric(t, "stentor_resume_gaps_total"); gaps != 0 {
		t.Errorf("%v gaps", gaps)
	}
	example.wantEvent("token") // it comes back again
}
