package admin

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// One owner's requests are worked on one after the other, others' are not kept waiting, and nothing is left behind.
func TestTurnsAreOneOwners(t *testing.T) {
	all := &turns{most: 1, of: map[string]*lane{}}
	first, second, other := all.join("mallory"), all.join("mallory"), all.join("alice")
	if !first.wait(t.Context(), time.Minute) {
		t.Fatal("the first has no turn")
	}
	if second.wait(t.Context(), 0) {
		t.Error("two requests of one owner have their turn")
	}
	if !other.wait(t.Context(), time.Minute) {
		t.Error("another owner's request has to wait")
	}
	first.pause() // waits for the bus
	if !second.wait(t.Context(), time.Minute) {
		t.Error("the second has no turn while the first waits for something else")
	}
	if first.wait(t.Context(), 0) {
		t.Error("the first has its turn again while the second has it")
	}
	for _, one := range []*turn{first, second, other, nil} {
		one.end()
	}
	if len(all.of) != 0 {
		t.Errorf("%d owners are remembered", len(all.of))
	}
}

// A request whose turn does not come is refused, and nothing of it is sent; small ones need none.
func TestTurnDoesNotCome(t *testing.T) {
	a := &api{metrics: newMetrics(nil), turns: &turns{most: 1, of: map[string]*lane{}}, o: Options{Projects: fakeProjects{}}}
	held := a.turns.join("chat")
	held.wait(t.Context(), time.Minute)
	r := httptest.NewRequest("POST", pushPath, nil)
	r.Header.Set("Authorization", "Bearer chat-key")
	if _, p := a.turn(r, make([]byte, lightBody+1)); p == nil || p.Status != http.StatusTooManyRequests || !p.passing() {
		t.Errorf("%+v", p)
	}
	if one, p := a.turn(r, make([]byte, lightBody)); p != nil || one != nil {
		t.Errorf("%+v, %+v", one, p)
	}
	if held.end(); len(a.turns.of) != 0 {
		t.Errorf("%d owners are remembered", len(a.turns.of))
	}
}

// A push of any size gives its turn back, whatever becomes of it.
func TestTurnsEnd(t *testing.T) {
	h, _, _ := newTest(t, func(o *Options) { o.PushBytes, o.BatchBytes = 1<<20, 1<<20 })
	for range 20 { // more than there are turns
		for _, body := range []string{
			`{"topic":"all","payload":"` + strings.Repeat("x", lightBody) + `"}`,
			`[{"topic":"all","payload":"` + strings.Repeat("x", lightBody) + `"}]`,
			strings.Repeat("{", lightBody+1),
		} {
			for _, path := range []string{pushPath, pushPath + "/batch"} {
				r := httptest.NewRequest("POST", path, bytes.NewReader([]byte(body)))
				r.Header.Set("Authorization", "Bearer chat-key")
				r.Header.Set("Content-Type", "application/json")
				w := httptest.NewRecorder()
				if h.ServeHTTP(w, r); w.Code == http.StatusTooManyRequests {
					t.Fatalf("%s: %s", path, w.Body)
				}
			}
		}
	}
}
