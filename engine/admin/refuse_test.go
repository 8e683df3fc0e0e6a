package admin

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"stentor/engine/bus"
	"stentor/engine/refusal"
)

// lines keeps what is logged.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// wait returns what was logged once text is in it.
func (l *lines) wait(t *testing.T, text string) string {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		l.mu.Lock()
		all := l.text.String()
		l.mu.Unlock()
		if strings.Contains(all, text) {
			return all
		}
		if time.Now().After(end) {
			t.Fatalf("nobody logs %q, but\n%s", text, all)
		}
	}
}

// TestRequestsRefused: a request that is refused is counted, and the log says why, without its key and its body.
func TestRequestsRefused(t *testing.T) {
	const (
		body   = `{"topic":"all","payload":"s3cret-body"}`
		push   = "/v1/projects/shop/push"
		wanted = "project=shop address=192.0.2.1:1234 subject=\"POST " + push + "\" text="
	)
	fails := func(err error) func(*Options) {
		return func(o *Options) {
			o.Node.(*fakeNode).publish = func(_ *bus.Record, done func(bus.Position, error)) bool {
				done(bus.Position{}, err)
				return true
			}
		}
	}
	for _, c := range []struct {
		why    refusal.Reason
		want   string
		change func(*Options)
		r      *http.Request
	}{
		{refusal.APIAuth, wanted, nil, request("POST", push, body, "Authorization: ")},
		{refusal.APIAuth, wanted, nil, request("POST", push, body, "Authorization: Bearer s3cret-key-of-nobody")},
		{refusal.APIAuth, "code=401 address=", nil, request("POST", "/v1/projects/none/push", body, "Authorization: ")},
		{refusal.APIForbidden, "project=chat", nil, request("POST", push, body, "Authorization: Bearer chat-key")},
		{refusal.APIForbidden, "project=chat", nil, request("POST", "/v1/push", `{"projectId":"shop","topic":"all","payload":"s3cret-body"}`, "Authorization: Bearer chat-key")},
		{refusal.APITooLarge, wanted, nil, request("POST", push, `{"topic":"all","payload":"`+strings.Repeat("s3cret-body", 10_000)+`"}`)},
		{refusal.APILimit, wanted, fails(bus.ErrRateLimited), request("POST", push, body)},
		{refusal.APIBusy, wanted, fails(bus.ErrBusy), request("POST", push, body)},
		{refusal.APIBusy, "project=shop", fails(bus.ErrBusy), request("POST", push+"/batch", "["+body+"]")},
		{refusal.APIStopping, wanted, fails(bus.ErrClosed), request("POST", push, body)},
		{refusal.APITimeout, wanted, fails(errTimeout), request("POST", push, body)},
		{refusal.APIUnavailable, wanted, fails(bus.ErrUnavailable), request("POST", push, body)},
	} {
		t.Run(fmt.Sprint(c.why), func(t *testing.T) {
			var out lines
			refusals := refusal.NewLog(slog.New(slog.NewTextHandler(&out, nil)))
			h, _, _ := newTest(t, func(o *Options) {
				o.Refusals = refusals
				if c.change != nil {
					c.change(o)
				}
			})
			w := do(h, c.r)
			text := out.wait(t, "reason="+c.why.String()+" ")
			if !strings.Contains(text, c.want) || strings.Contains(text, "s3cret") || strings.Count(text, "\n") != 1 || refusals.Count(c.why) != 1 {
				t.Errorf("want one line with %s:\n%s", c.want, text)
			}
			if w.Code != c.why.Code() && w.Code != http.StatusOK { // a batch
				t.Errorf("answered %d, the table says %d", w.Code, c.why.Code())
			}
		})
	}
	for why := refusal.None + 1; why < refusal.Reasons; why++ {
		if code := why.Code(); why.Stage() == refusal.API && code != http.StatusServiceUnavailable && (&problem{Status: code}).reason() != why {
			t.Errorf("no status is %s", why)
		}
	}
}

// TestMistakesAreNoRefusals: what was wrong the caller is told, and a probe asks on purpose.
func TestMistakesAreNoRefusals(t *testing.T) {
	var out lines
	refusals := refusal.NewLog(slog.New(slog.NewTextHandler(&out, nil)))
	h, node, _ := newTest(t, func(o *Options) { o.Refusals = refusals })
	node.ready = fmt.Errorf("early")
	for _, r := range []*http.Request{
		request("GET", "/readyz", ""), request("GET", "/none", ""), request("PUT", "/healthz", ""), request("POST", "/v1/projects/shop/push", "{"),
	} {
		do(h, r)
	}
	for why := refusal.None + 1; why < refusal.Reasons; why++ {
		if n := refusals.Count(why); n > 0 {
			t.Errorf("%d are %s", n, why)
		}
	}
}

// TestConnectionRefused: so is a connection that has to go before it asked.
func TestConnectionRefused(t *testing.T) {
	var out lines
	s := NewServer(ServerOptions{Handler: newGate(), MaxConns: 2, Log: discard, Refusals: refusal.NewLog(slog.New(slog.NewTextHandler(&out, nil)))})
	address := start(t, s)
	for range 3 {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		if _, err := io.WriteString(conn, "GET"); err != nil { // not whole
			t.Fatal(err)
		}
	}
	out.wait(t, "reason=api_connections code=503 address=127.0.0.1:")
}
