package admin

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"stentor/engine/shard"
)

// widest remembers the longest write.
type widest struct {
	*httptest.ResponseRecorder
	most int
}

func (w *widest) Write(p []byte) (int, error) {
	w.most = max(w.most, len(p))
	return w.ResponseRecorder.Write(p)
}

// many emits n sessions of 256 subscriptions with long names.
func many(n int) func(emit func([]shard.SessionInfo) error) (string, error) {
	one := shard.SessionInfo{ID: "s", More: 7, Subscriptions: make([]shard.SubscriptionInfo, 256)}
	for i := range one.Subscriptions {
		one.Subscriptions[i] = shard.SubscriptionInfo{ID: strconv.Itoa(i), Destination: strings.Repeat("\x01", 1024)}
	}
	return func(emit func([]shard.SessionInfo) error) (string, error) {
		for i := range n {
			if err := emit([]shard.SessionInfo{one}); err != nil {
				return strconv.Itoa(i + 1), err
			}
		}
		return "", nil
	}
}

// TestLongPage: a page is written in chunks while it is gathered, and ends when it is long.
func TestLongPage(t *testing.T) {
	h, node, _ := newTest(t, nil)
	node.sessions = many(1000)
	w := &widest{ResponseRecorder: httptest.NewRecorder()}
	h.ServeHTTP(w, request("GET", "/v1/projects/shop/sessions?limit=1000", ""))
	var page SessionPage
	wantJSON(t, w.ResponseRecorder, &page)
	if n := len(page.Sessions); n < 3 || n > 10 || page.Next != strconv.Itoa(n) {
		t.Errorf("%d sessions, next %q", n, page.Next)
	}
	if s := page.Sessions[0]; len(s.Subscriptions) != 256 || s.More != 7 {
		t.Errorf("%d subscriptions and %d more", len(s.Subscriptions), s.More)
	}
	if w.most > chunkBytes+8<<10 {
		t.Errorf("%d bytes at once", w.most)
	}
	if n := w.Body.Len(); n < pageBytes || n > pageBytes+3<<20 {
		t.Errorf("%d bytes", n)
	}
}

// TestBrokenListing: a page that cannot be gathered to its end is answered with what there is and where it goes on, or
// with the problem when there is nothing yet.
func TestBrokenListing(t *testing.T) {
	h, node, _ := newTest(t, nil)
	two := many(1)
	node.sessions = func(emit func([]shard.SessionInfo) error) (string, error) {
		if _, err := two(emit); err != nil {
			return "", err
		}
		return "here", errors.New("busy")
	}
	var page SessionPage
	if wantJSON(t, do(h, request("GET", "/v1/projects/shop/sessions", "")), &page); len(page.Sessions) != 1 || page.Next != "here" {
		t.Errorf("%d sessions, next %q", len(page.Sessions), page.Next)
	}
	node.sessions = func(func([]shard.SessionInfo) error) (string, error) { return "here", errors.New("busy") }
	wantProblem(t, do(h, request("GET", "/v1/projects/shop/sessions", "")), 503, codeUnavailable, "")
}

// TestUnreadListings: clients of one project ask for listings and read nothing. They hold no slot and next to no memory
// that others need.
func TestUnreadListings(t *testing.T) {
	const room = 32
	asked := make(chan bool, 2*room)
	hold := make(chan bool)
	s, addr := attacked(t, room, func(o *Options) {
		o.MemoryBytes = 64 << 20
		node := o.Node.(*fakeNode)
		long := many(1 << 30)
		node.sessions = func(emit func([]shard.SessionInfo) error) (string, error) {
			asked <- true
			<-hold
			return long(emit)
		}
	})
	for range room / 2 {
		c := dial(t, addr)
		if _, err := io.WriteString(c, "GET /v1/projects/shop/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer shop-key\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		<-asked
	}
	close(hold)
	wantServed(t, addr)
	for range 3 {
		c := dial(t, addr)
		if _, err := io.WriteString(c, "GET /v1/projects/chat/destinations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer chat-key\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		c.want(t, 200)
	}
	waitFor(t, s, room/2+3, 3)
}

// TestListingMemory: listings that go on are charged to their project, and others' are not refused for it.
func TestListingMemory(t *testing.T) {
	asked, hold := make(chan bool), make(chan bool)
	h, node, _ := newTest(t, func(o *Options) { o.MemoryBytes = 8 * listingBytes })
	node.sessions = func(func([]shard.SessionInfo) error) (string, error) {
		asked <- true
		<-hold
		return "", nil
	}
	answers := make(chan int)
	for range 4 {
		go func() { answers <- do(h, request("GET", "/v1/projects/shop/sessions", "")).Code }()
		<-asked
	}
	wantProblem(t, do(h, request("GET", "/v1/projects/shop/sessions", "")), 429, codeLimit, "limits.api_bytes")
	r := request("GET", "/v1/projects/chat/destinations", "", "Authorization: Bearer chat-key")
	if w := do(h, r); w.Code != http.StatusOK {
		t.Errorf("another project: %d %s", w.Code, w.Body)
	}
	close(hold)
	for range 4 {
		if code := <-answers; code != 200 {
			t.Errorf("%d", code)
		}
	}
	var page json.RawMessage
	node.sessions = nil
	wantJSON(t, do(h, request("GET", "/v1/projects/shop/sessions", "")), &page)
}

// TestLeaders: the most subscribed of many, whatever order they come in.
func TestLeaders(t *testing.T) {
	top := leaders{limit: 3}
	for i := range 100 {
		top.add([]shard.DestinationInfo{{Destination: strconv.Itoa(i), Subscriptions: i * 37 % 100}})
	}
	got := top.sorted()
	if len(got) != 3 || got[0].Subscriptions != 99 || got[1].Subscriptions != 98 || got[2].Subscriptions != 97 || top.total != 100 {
		t.Errorf("%+v of %d", got, top.total)
	}
}
