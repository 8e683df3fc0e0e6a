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
