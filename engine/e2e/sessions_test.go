package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/gobwas/ws"

	"stentor/stomp"
)

// TestSessionPages: page by page, every session is listed once, over all event loops.
func TestSessionPages(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	ann := s.Token(t, "shop", "ann")
	users, subscribed, all := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for i := range 40 {
		var p *peer
		if i%2 == 0 {
			p = s.join(t, "token", ann)
			users[p.session] = true
		} else {
			p = s.join(t)
		}
		if i%3 == 0 {
			p.subscribe("a", "/topic/shop/a")
			subscribed[p.session] = true
		}
		all[p.session] = true
	}
	for _, one := range []struct {
		query string
		want  map[string]bool
	}{
		{"", all},
		{"user=ann", users},
		{"destination=" + url.QueryEscape("/topic/shop/a"), subscribed},
		{"user=nobody", nil},
	} {
		for _, limit := range []int{1, 7, 40, 1000} {
			seen := map[string]bool{}
			after := ""
			for pages := 0; ; pages++ {
				r := s.Must(t, "GET", fmt.Sprintf("/v1/projects/shop/sessions?limit=%d&after=%s&%s", limit, after, one.query), "shop-key", nil)
				var page struct {
					Sessions []session
					Next     string
				}
				if err := json.Unmarshal(r.Body, &page); err != nil || r.Status != http.StatusOK {
					t.Fatalf("%d %s %v", r.Status, r.Body, err)
				}
				for _, session := range page.Sessions {
					if seen[session.ID] {
						t.Errorf("%q by %d: %s comes twice", one.query, limit, session.ID)
					}
					seen[session.ID] = true
				}
				if len(page.Sessions) > limit || pages > 100 {
					t.Fatalf("%q by %d: %d sessions on page %d", one.query, limit, len(page.Sessions), pages)
				}
				if after = page.Next; after == "" {
					break
				}
			}
			if fmt.Sprint(seen) != fmt.Sprint(one.want) && len(seen)+len(one.want) > 0 {
				t.Errorf("%q by %d: %d sessions, want %d", one.query, limit, len(seen), len(one.want))
			}
		}
	}
	if r := s.Must(t, "GET", "/v1/projects/shop/sessions?after=nonsense", "shop-key", nil); r.Status != http.StatusBadRequest {
		t.Errorf("a cursor that no page gave: %d %s", r.Status, r.Body)
	}
	if r := s.Must(t, http.MethodDelete, "/v1/projects/shop/users/ann/sessions", "shop-key", nil); string(r.Body) != "{\"kicked\":20}\n" {
		t.Errorf("kick: %d %s", r.Status, r.Body)
	}
}

// TestManySendsAtOnce: what the bus answers at once is not unanswered, however many frames come in one piece.
func TestManySendsAtOnce(t *testing.T) {
	t.Parallel()
	const n = 150 // more than limits.unanswered, fewer than the frames of a burst
	s := start(t, setup{})
	reader, sender := s.join(t), s.join(t)
	reader.subscribe("a", "/topic/shop/sent/x")
	var all []byte
	for i := range n {
		all = append(all, frame(stomp.V12, stomp.Send, []byte(fmt.Sprint(i)), "destination", "/topic/shop/sent/x", "receipt", fmt.Sprint(i))...)
	}
	sender.must(sender.write(sender.masked(ws.OpText, all)))
	for i := range n {
		sender.wantReceipt(fmt.Sprint(i))
		reader.wantMessage(fmt.Sprint(i))
	}
}
