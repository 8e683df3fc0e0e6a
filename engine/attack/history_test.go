//go:build attacks

package attack

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"stentor/stomp"
)

// What sessions may hold in these attacks, above perQuiet for each session.
const (
	sessionBytes = 64 * mib
	perQuiet     = 4*kib + perSession
)

var setSessionBytes = []string{"limits.session_bytes=64MiB"}

// pushMemory is what a tenant that pushes without end may take: of api_bytes half, the rest is left to others.
var pushMemory = []memory{{"history.bytes", 64 * mib}, {"limits.pending_bytes", 32 * mib}, {"half of limits.api_bytes", 32 * mib}}

var histories = []attack{
	{
		name: "history-users", does: "pushes to 10,000 users a second, each with a long name and a destination",
		may: pushMemory,
		prepare: func(h *hostile) (func(context.Context), error) {
			name := strings.Repeat("n", 200)
			return flood(h, func(b *bytes.Buffer, i int) {
				fmt.Fprintf(b, `{"user":"%s%d","destination":"/queue/%d","payload":""}`, name, i, i%1000)
			})
		},
	},
	{
		name: "history-destinations", does: "pushes to 10,000 long destinations a second, with nothing to say",
		may: pushMemory,
		prepare: func(h *hostile) (func(context.Context), error) {
			name := strings.Repeat("n", 900)
			return flood(h, func(b *bytes.Buffer, i int) { fmt.Fprintf(b, `{"topic":"%s%d","payload":""}`, name, i) })
		},
	},
	{
		name: "history-short", does: "pushes to 10,000 short destinations a second, with nothing to say",
		may:   pushMemory,
		check: resumesNew,
		prepare: func(h *hostile) (func(context.Context), error) {
			return flood(h, func(b *bytes.Buffer, i int) { fmt.Fprintf(b, `{"topic":"%d","payload":""}`, i) })
		},
	},
	{
		name: "session-subscriptions", does: "1,000 sessions with 100 subscriptions of a kilobyte each",
		set: setSessionBytes, may: []memory{{"limits.session_bytes", sessionBytes}, {"1,000 sessions with 100,000 subscriptions", 1000*perQuiet + 100_000*perSubscription}},
		prepare: func(h *hostile) (func(context.Context), error) {
			long := strings.Repeat("d", 950)
			return everySession(h, 1000, func(w *wire, i int) error {
				for n := range 100 {
					if err := w.send(stomp.Subscribe, nil, "id", fmt.Sprintf("%0120d", n), "destination", fmt.Sprintf("/topic/hostile/%s%d-%d", long, i, n)); err != nil {
						return err
					}
				}
				return nil
			})
		},
	},
	{
		name: "session-transactions", does: "2,000 sessions, each with a transaction of 240 KiB that never ends",
		set: setSessionBytes, may: []memory{{"limits.session_bytes", sessionBytes}, {"2,000 sessions", 2000 * perQuiet}},
		prepare: func(h *hostile) (func(context.Context), error) {
			body := make([]byte, 60<<10)
			return everySession(h, 2000, func(w *wire, _ int) error {
				if err := w.send(stomp.Begin, nil, "transaction", "t"); err != nil {
					return err
				}
				for range 4 {
					if err := w.send(stomp.Send, body, "destination", "/topic/hostile/x", "transaction", "t"); err != nil {
						return err
					}
				}
				return nil
			})
		},
	},
	{
		name: "session-halves", does: "5,000 sessions, each with 60 KiB of a frame that never ends",
		set: setSessionBytes, may: []memory{{"limits.session_bytes", sessionBytes}, {"5,000 sessions", 5000 * perQuiet}},
		prepare: func(h *hostile) (func(context.Context), error) {
			// 61 KiB are announced.
			half := append([]byte{0x81, 0xFE, 0xF4, 0x00, 0, 0, 0, 0}, "SEND\ndestination:/topic/hostile/x\n\n"...)
			half = append(half, bytes.Repeat([]byte("x"), 60<<10)...)
			return everySession(h, 5000, func(w *wire, _ int) error {
				_, err := w.Write(half)
				return err
			})
		},
	},
}

// flood fills history, then pushes 10,000 a second.
func flood(h *hostile, write func(b *bytes.Buffer, i int)) (func(context.Context), error) {
	const batch = 2000
	first := 0
	next := func() error {
		var b bytes.Buffer
		b.WriteByte('[')
		for i := range batch {
			if i > 0 {
				b.WriteByte(',')
			}
			write(&b, first+i)
		}
		b.WriteByte(']')
		first += batch
		return h.answered("POST", "/v1/projects/hostile/push/batch", b.String())
	}
	// History is full before the clock runs.
	for first < 300_000 {
		if err := next(); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context) { h.pace(ctx, 1, 5, func(int, int) error { return next() }) }, nil
}

// resumesNew: a destination that nobody knew resumes, though history has forgotten many.
func resumesNew(n *node, _ report) error {
	h := &hostile{attackerArgument: attackerArgument{Client: n.Client, API: n.API}, http: caller, counts: map[string]int64{}}
	w, err := h.join("")
	if err != nil {
		return err
	}
	defer w.Close()
	first, err := w.subscribe("a", "/topic/hostile/new")
	if err != nil {
		return err
	}
	if _, err := h.push(`{"topic":"new","payload":"x"}`); err != nil {
		return err
	}
	again, err := w.subscribe("b", "/topic/hostile/new", "last-message-id", first.headers["position"])
	if err != nil {
		return err
	}
	if again.headers["resumed"] != "true" {
		return fmt.Errorf("a new destination resumes with %q", again.headers)
	}
	return nil
}

// everySession makes sessions, each of which then does something, which the node may refuse.
func everySession(h *hostile, n int, do func(w *wire, i int) error) (func(context.Context), error) {
	var joined []*wire
	return func(ctx context.Context) {
		h.met(together(n, func(i int) error {
			if ctx.Err() != nil {
				return nil
			}
			w, err := h.join("")
			if err != nil {
				h.count("not joined", 1)
				h.met(err)
				return nil
			}
			if err := do(w, i); err != nil {
				h.count("refused", 1)
			}
			h.mu.Lock()
			joined = append(joined, w)
			h.mu.Unlock()
			return nil
		}))
		h.count("joined", int64(len(joined)))
		<-ctx.Done()
	}, nil
}
