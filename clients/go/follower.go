package client

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"stentor/engine/bus"
	"stentor/engine/websocket"
)

// Follower keeps subscriptions alive: when the connection breaks it reconnects, with a back-off, and resumes each
// subscription after the last message that it has seen.
type Follower struct {
	Options
	Destinations []string
	// Message is called for each message, on Run's goroutine. When it returns false, Run ends without an error.
	Message func(*Message) bool
	// Notice is called with what happens to the connection, as text. Calls come from Run's goroutine.
	Notice func(string)
	// Backoff returns how long to wait before the given attempt to reconnect, counted from 1 after each success; nil
	// for the default: a random wait between half and all of 1 s, which doubles with each attempt, up to 30 s.
	Backoff func(attempt int) time.Duration
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

// Run follows until ctx ends or Message returns false, then disconnects with a receipt and returns nil. Any other
// return is an error that another attempt would not fix: the first connection cannot be made, or the server refuses.
func (f *Follower) Run(ctx context.Context) error {
	marks := make([]mark, len(f.Destinations))
	wait := f.Backoff
	if wait == nil {
		wait = backoff
	}
	for attempt, connected := 0, false; ; attempt++ {
		c, err := Dial(ctx, f.Options)
		if err == nil {
			if connected {
				f.Notice("connected again")
			}
			attempt, connected = 0, true
			err = f.session(ctx, c, marks)
		}
		if err == nil || ctx.Err() != nil {
			return nil
		}
		if final(err, connected) {
			return err
		}
		delay := wait(attempt + 1)
		f.Notice(fmt.Sprintf("%v; connecting again in %s", err, delay.Round(time.Millisecond)))
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return nil
		}
	}
}

// final reports whether err would come again with every attempt.
func final(err error, connected bool) bool {
	var (
		refused *ServerError
		closed  *CloseError
		answer  *websocket.AnswerError
	)
	switch {
	case errors.As(err, &refused), errors.Is(err, ErrNotSubscribed):
		return true
	case errors.As(err, &answer):
		return answer.Status != http.StatusServiceUnavailable && answer.Status != http.StatusBadGateway && answer.Status != http.StatusGatewayTimeout
	case errors.As(err, &closed):
		return !connected && closed.Code != 1001 && closed.Code != 1012 && closed.Code != 1013
	}
	return !connected
}

// session follows over one connection; nil means that it was ended on purpose.
func (f *Follower) session(ctx context.Context, c *Conn, marks []mark) error {
	defer c.Close()
	for i, d := range f.Destinations {
		if err := c.Subscribe(subscription(i), d, marks[i].String()); err != nil {
			return err
		}
	}
	stop := context.AfterFunc(ctx, func() { _ = c.Disconnect() })
	defer stop()
	resuming := make([]bool, len(marks))
	for i := range marks {
		resuming[i] = marks[i] != nil
	}
	refused := 0
	for ended := false; ; {
		m, r, err := c.Next()
		switch {
		case errors.Is(err, ErrEnded):
			return nil
		case err != nil && ended:
			return nil // the DISCONNECT was not confirmed, but every requested message has come
		case err != nil:
			return err
		case ended:
		case m != nil:
			if i := index(m.Subscription, len(marks)); i >= 0 {
				marks[i].add(m.ID)
			}
			if !f.Message(m) {
				ended = true
				_ = c.Disconnect()
			}
		default:
			i := index(r.ID, len(marks))
			if i < 0 {
				continue
			}
			if r.Refused != "" {
				f.Notice(f.Destinations[i] + ": not subscribed: " + reason(r.Refused))
				if refused++; refused == len(marks) {
					return ErrNotSubscribed
				}
				continue
			}
			if r.Gap {
				f.Notice(f.Destinations[i] + ": messages may be missing: the server no longer has everything since the last one")
				marks[i] = nil
			}
			// While old messages are on their way, the server's position is ahead of what was seen.
			if !resuming[i] || r.Gap {
				marks[i].add(r.Position)
			}
		}
	}
}

// ErrNotSubscribed is the error of Run when the server has refused every destination.
var ErrNotSubscribed = errors.New("the server serves none of the destinations")

// reason is the text for a RECEIPT's reason to refuse a subscription.
func reason(code string) string {
	switch code {
	case "not-served":
		return "the project does not serve this destination; see subscribe and destinations of the project"
	case "id-in-use":
		return "its id is in use for another destination"
	}
	return code
}

const subscriptionPrefix = "sub-"

func subscription(i int) string { return subscriptionPrefix + strconv.Itoa(i) }

// index is the inverse of subscription, -1 for an id that is not one of its results.
func index(id string, n int) int {
	rest, ok := strings.CutPrefix(id, subscriptionPrefix)
	i, err := strconv.Atoi(rest)
	if !ok || err != nil || i < 0 || i >= n {
		return -1
	}
	return i
}

// mark is how far a subscription has read: the newest position of each partition. nil: no position yet.
type mark map[int32]bus.Position

// add adopts a message-id, or the positions of a receipt.
func (m *mark) add(s string) {
	all, err := bus.ParsePositions(s)
	if err != nil {
		return // ids of another server have no order that is known here
	}
	if *m == nil {
		*m = make(mark)
	}
	for _, p := range all {
		if old, ok := (*m)[p.Partition]; !ok || old.Epoch != p.Epoch || old.Offset < p.Offset {
			(*m)[p.Partition] = p
		}
	}
}

// String returns the positions in the form of last-message-id.
func (m mark) String() string {
	var all []string
	for _, partition := range slices.Sorted(maps.Keys(m)) {
		all = append(all, m[partition].String())
	}
	return strings.Join(all, ",")
}
