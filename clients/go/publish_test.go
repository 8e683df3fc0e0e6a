package client

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"stentor/clients/go/clienttest"
	"stentor/engine/websocket"
)

// published runs Publish, and returns where its result comes.
func (f *following) published(destination string, headers ...Header) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f.Publish(context.Background(), destination, []byte("body"), headers...) }()
	return done
}

// sent expects a SEND.
func sent(t *testing.T, c *clienttest.Conn, destination string) map[string]string {
	t.Helper()
	h := c.Expect("SEND")
	if h["destination"] != destination || h["receipt"] == "" || h["stentor-id"] == "" || h["content-length"] != "4" {
		t.Fatalf("SEND %v", h)
	}
	return h
}

func acknowledge(c *clienttest.Conn, sent map[string]string) {
	c.Send("RECEIPT", "", "receipt-id", sent["receipt"])
}

func wantResult(t *testing.T, done <-chan error, want error) {
	t.Helper()
	if err := <-done; !errors.Is(err, want) {
		t.Errorf("%v, want %v", err, want)
	}
}

// What was not acknowledged is sent again in its order and under its id, after the subscriptions.
func TestPublishAgain(t *testing.T) {
	s := clienttest.NewServer(t)
	f := follow(t, s, "/topic/a")
	first := f.published("/topic/1") // there is no connection yet
	c, _ := s.Connected("0,0")
	c.Subscribed()
	acknowledge(c, sent(t, c, "/topic/1"))
	wantResult(t, first, nil)

	second := f.published("/topic/2")
	two := sent(t, c, "/topic/2")
	third := f.published("/topic/3", Header{"stentor-id", "mine"}, Header{"content-type", "text/plain"})
	three := sent(t, c, "/topic/3")
	if three["stentor-id"] != "mine" || three["content-type"] != "text/plain" {
		t.Errorf("SEND %v", three)
	}
	c.Close(1012)

	c, _ = s.Connected("0,0")
	c.Subscribed()
	again := sent(t, c, "/topic/2")
	if again["stentor-id"] != two["stentor-id"] {
		t.Errorf("sent again as %v, before %v", again, two)
	}
	acknowledge(c, again)
	wantResult(t, second, nil)
	acknowledge(c, sent(t, c, "/topic/3"))
	wantResult(t, third, nil)

	last := f.published("/topic/4")
	sent(t, c, "/topic/4")
	f.cancel()
	c.Disconnected()
	f.end(t)
	wantResult(t, last, ErrStopped)
	wantResult(t, f.published("/topic/5"), ErrStopped)
}

// An ERROR that answers one publish fails that one. The others, and the subscriptions, go on.
func TestPublishRefused(t *testing.T) {
	s := clienttest.NewServer(t)
	f := follow(t, s, "/topic/a")
	c, _ := s.Connected("0,0")
	c.Subscribed()
	denied := f.published("/topic/denied")
	h := sent(t, c, "/topic/denied")
	good := f.published("/topic/good")
	sent(t, c, "/topic/good")
	c.Send("ERROR", "", "message", "Failed to send message, not yours", "code", "forbidden", "receipt-id", h["receipt"])
	var refused *ServerError
	if err := <-denied; !errors.As(err, &refused) || refused.Code != "forbidden" {
		t.Errorf("%v", err)
	}
	c, _ = s.Connected("0,0")
	c.Subscribed()
	acknowledge(c, sent(t, c, "/topic/good"))
	wantResult(t, good, nil)

	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Publish(ctx, "/topic/given-up", []byte("body")) }()
	late := sent(t, c, "/topic/given-up")
	cancel()
	wantResult(t, done, context.Canceled)
	acknowledge(c, late) // nobody waits for it
	c.Message("/topic/a", "1", "last")
	c.Disconnected()
	f.end(t)
}

// A token is asked for before each attempt, and one that has expired is replaced once.
func TestFreshToken(t *testing.T) {
	s := clienttest.NewServer(t)
	ctx := t.Context()
	asked := 0
	notices := make(chan string, 10)
	c := &Client{
		Options:      Options{URL: s.URL()},
		Destinations: []string{"/topic/a"},
		FreshToken: func(context.Context) (string, error) {
			if asked++; asked == 1 {
				return "", errors.New("no identity provider")
			}
			return fmt.Sprint("token-", asked), nil
		},
		Notice:  func(text string) { notices <- text },
		Backoff: noWait,
	}
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	expired := func(token string) {
		t.Helper()
		conn := s.Accept(nil)
		if h := conn.Expect("CONNECT"); h["token"] != token {
			t.Errorf("CONNECT %v", h)
		}
		conn.Send("ERROR", "", "message", "Failed to send message, the token has expired", "code", "expired")
		conn.Close(1002)
	}
	expired("token-2")
	if text := <-notices; text != "there is no token: no identity provider; connecting again in 0s" {
		t.Errorf("notice %q", text)
	}
	conn, connect := s.Connected("0,0")
	if connect["token"] != "token-3" {
		t.Errorf("CONNECT %v", connect)
	}
	conn.Subscribed()
	conn.Close(1008) // the token's end
	expired("token-4")
	expired("token-5")
	var refused *ServerError
	if err := <-done; !errors.As(err, &refused) || refused.Code != "expired" {
		t.Errorf("%v", err)
	}
}

// The server says how long to wait with its close.
func TestRetry(t *testing.T) {
	s := clienttest.NewServer(t)
	f := follow(t, s, "/topic/a")
	c, _ := s.Connected("0,0")
	c.Subscribed()
	if text := <-f.notices; text != "/topic/a: subscribed" {
		t.Errorf("notice %q", text)
	}
	c.Raw(websocket.AppendClose(nil, 1012, "retry=7 the node is stopping"))
	if text := <-f.notices; text != "the server closed the connection: 1012, the node is leaving (retry=7 the node is stopping); connecting again in 7ms" {
		t.Errorf("notice %q", text)
	}
	c, _ = s.Connected("0,0")
	c.Subscribed()
	c.Message("/topic/a", "1", "last")
	c.Disconnected()
	f.end(t)
	if len(f.waits) > 0 {
		t.Error("the client chose a wait of its own")
	}
	for reason, want := range map[string]bool{"retry=": false, "retry=x": false, "retry=99999999999": false, "retry=1": true, "come back": false} {
		if _, ok := (&CloseError{1012, reason}).Retry(); ok != want {
			t.Errorf("%q: %v", reason, ok)
		}
	}
	if _, ok := (&CloseError{1013, "retry=5"}).Retry(); ok {
		t.Error("another code")
	}
}

// A forbidden destination is given up alone; without another one the client ends.
func TestForbiddenDestination(t *testing.T) {
	s := clienttest.NewServer(t)
	f := follow(t, s, "/topic/a", "/topic/b")
	forbid := func(c *clienttest.Conn) {
		t.Helper()
		c.Send("ERROR", "", "message", "Failed to send message, not yours", "code", "forbidden", "receipt-id", c.Expect("SUBSCRIBE")["receipt"])
		c.Close(1002)
	}
	c, _ := s.Connected("0,0")
	forbid(c)
	if text := <-f.notices; text != "/topic/a: not subscribed: Failed to send message, not yours (forbidden)" {
		t.Errorf("notice %q", text)
	}
	c, _ = s.Connected("0,0")
	if h := c.Subscribed("position", "1-0-5"); h["destination"] != "/topic/b" {
		t.Errorf("SUBSCRIBE %v", h)
	}
	c.Close(0)
	c, _ = s.Connected("0,0")
	forbid(c)
	var refused *ServerError
	if err := <-f.done; !errors.As(err, &refused) || refused.Code != "forbidden" {
		t.Errorf("%v", err)
	}
}

// The application is told once of each gap, whichever frame says it.
func TestGaps(t *testing.T) {
	s := clienttest.NewServer(t)
	gaps := make(chan string, 10)
	got := make(chan string, 10)
	c := &Client{
		Options:      Options{URL: s.URL()},
		Destinations: []string{"/topic/a"},
		Message:      func(m *Message) bool { got <- string(m.Body); return string(m.Body) != "last" },
		Gap:          func(destination string) { gaps <- destination },
		Backoff:      noWait,
	}
	done := make(chan error, 1)
	go func() { done <- c.Run(t.Context()) }()
	conn, _ := s.Connected("0,0")
	conn.Subscribed("position", "2-0-1", "resumed", "false")
	conn.Message("/topic/a", "2-0-2", "one", "resumed", "false") // of the same gap
	<-got
	conn.Message("/topic/a", "2-0-9", "two", "dropped", "6")
	<-got
	conn.Message("/topic/a", "2-0-10", "last")
	<-got
	conn.Disconnected()
	wantResult(t, done, nil)
	if len(gaps) != 2 || <-gaps != "/topic/a" {
		t.Errorf("%d gaps", len(gaps))
	}
}
