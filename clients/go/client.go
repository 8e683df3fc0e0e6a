package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"stentor/engine/websocket"
)

// Client keeps subscriptions and publishes over many connections. When the connection breaks it reconnects, with a
// back-off or after as long as the server asked to wait, resumes each subscription after the last message that it has seen,
// and sends again what was not acknowledged.
//
// Run is called once at a time, with the fields set; it calls all functions. Publish may be called from any goroutine.
type Client struct {
	Options
	// FreshToken returns the token for the next attempt to connect, nil for Options.Token each time. An error counts as
	// an attempt that failed.
	FreshToken func(context.Context) (string, error)

	Destinations []string
	// Message is called for each message. When it returns false, Run ends without an error. It must not wait for a
	// Publish.
	Message func(*Message) bool
	// Gap is called when messages of a destination may be missing: what they would have told has to be fetched. nil for
	// a notice.
	Gap func(destination string)
	// Notice is called with what happens to the connection, as text. It may be nil.
	Notice func(string)

	// Backoff returns how long to wait before the given attempt to reconnect, counted from 1 after each success; nil
	// for the default: a random wait between half and all of 1 s, which doubles with each attempt, up to 30 s.
	Backoff func(attempt int) time.Duration
	// FailFast ends Run with the error of the first connection. Otherwise that is tried again, like those after it.
	FailFast bool

	out outbox
}

const (
	firstWait   = time.Second
	longestWait = 30 * time.Second
)

func backoff(attempt int) time.Duration {
	limit := longestWait
	if attempt < 6 { // 2^5 s is more than the longest wait
		limit = min(limit, firstWait<<(attempt-1))
	}
	return limit/2 + rand.N(limit/2)
}

// ErrNotSubscribed is the error of Run when the server has refused every destination.
var ErrNotSubscribed = errors.New("the server serves none of the destinations")

// Run follows until ctx ends or Message returns false, then disconnects with a receipt and returns nil. Any other
// return is an error that another attempt would not fix: the server refuses this client.
func (c *Client) Run(ctx context.Context) (err error) {
	c.out.begin()
	defer func() { c.out.end(err) }()
	r := &run{Client: c, subscriptions: make([]subscription, len(c.Destinations))}
	for attempt := 1; ; attempt++ {
		conn, err := r.connect(ctx)
		if err == nil {
			if r.connected {
				r.notice("connected again")
			}
			attempt, r.connected, r.expired = 1, true, false
			err = r.session(ctx, conn)
		}
		if err == nil || ctx.Err() != nil {
			return nil
		}
		if r.final(err) {
			return err
		}
		wait := r.wait(attempt, err)
		r.notice(fmt.Sprintf("%v; connecting again in %s", err, wait.Round(time.Millisecond)))
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}

// A run is what one Run knows.
type run struct {
	*Client
	subscriptions []subscription // one for each of Destinations
	connected     bool           // at least once
	expired       bool           // the last token was too old
}

func (r *run) notice(text string) {
	if r.Notice != nil {
		r.Notice(text)
	}
}

func (r *run) connect(ctx context.Context) (*Conn, error) {
	o := r.Options
	if r.FreshToken != nil {
		var err error
		if o.Token, err = r.FreshToken(ctx); err != nil {
			return nil, fmt.Errorf("there is no token: %w", err)
		}
	}
	return Dial(ctx, o)
}

// wait returns how long to wait after err.
func (r *run) wait(attempt int, err error) time.Duration {
	var closed *CloseError
	if errors.As(err, &closed) {
		if wait, asked := closed.Retry(); asked {
			return wait
		}
	}
	if r.Backoff != nil {
		return r.Backoff(attempt)
	}
	return backoff(attempt)
}

// final reports whether err would come again with every attempt.
func (r *run) final(err error) bool {
	var (
		refused *ServerError
		closed  *CloseError
		answer  *websocket.AnswerError
	)
	first := r.FailFast && !r.connected
	switch {
	case errors.As(err, &refused):
		return r.refused(refused)
	case errors.Is(err, ErrNotSubscribed):
		return true
	case errors.As(err, &answer):
		return answer.Status != http.StatusServiceUnavailable && answer.Status != http.StatusBadGateway && answer.Status != http.StatusGatewayTimeout
	case errors.As(err, &closed):
		return first && closed.Code != 1001 && closed.Code != 1012 && closed.Code != 1013
	}
	return first
}

// refused gives an ERROR to what it is about, and reports whether nothing is left to do. The server closes after it.
func (r *run) refused(e *ServerError) (final bool) {
	if e.Code == "expired" && r.FreshToken != nil && !r.expired {
		r.expired = true
		return false
	}
	if r.out.answered(e.ReceiptID, e) {
		return false
	}
	i := index(e.ReceiptID, len(r.subscriptions))
	return i < 0 || r.unsubscribed(i, e.Error())
}
