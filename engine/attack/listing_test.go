//go:build attacks

package attack

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/gobwas/ws"

	"stentor/stomp"
)

// How much there is to list.
const (
	listedSessions      = 1000
	listedSubscriptions = 100 // of each
)

var listedMemory = []memory{
	{"1,000 sessions with 100,000 subscriptions", listedSessions*perSession + listedSessions*listedSubscriptions*perSubscription},
	{"answers of the API", 16 * mib},
}

var listings = []attack{
	{
		name: "list-destinations", does: "eight times destinations?limit=1 at once, again and again",
		may:     listedMemory,
		prepare: func(h *hostile) (func(context.Context), error) { return list(h, "destinations?limit=1", 8, 500) },
	},
	{
		name: "list-stats", does: "stats 93 times a second",
		may:     listedMemory,
		prepare: func(h *hostile) (func(context.Context), error) { return list(h, "stats", 8, 93) },
	},
	{
		name: "list-sessions", does: "eight times sessions?limit=1000 at once, again and again",
		may:     listedMemory,
		prepare: func(h *hostile) (func(context.Context), error) { return list(h, "sessions?limit=1000", 8, 1000) },
	},
	{
		name: "list-kicks", does: "sessions of nobody are ended, eight times at once, again and again",
		may: listedMemory,
		prepare: func(h *hostile) (func(context.Context), error) {
			if err := crowd(h); err != nil {
				return nil, err
			}
			return func(ctx context.Context) {
				h.pace(ctx, 8, 500, func(_, i int) error {
					return h.answered("DELETE", fmt.Sprintf("/v1/projects/hostile/users/nobody-%d/sessions", i), "")
				})
			}, nil
		},
	},
	{
		name: "list-addresses", does: "380 searches side by side, again and again: addresses that nobody has, a destination that one of all has",
		may:   append([]memory{{"380 connections to the API", 380 * 32 * kib}}, listedMemory...),
		check: canList,
		prepare: func(h *hostile) (func(context.Context), error) {
			if err := crowd(h); err != nil {
				return nil, err
			}
			h.http.Transport.(*http.Transport).MaxIdleConnsPerHost = 380
			searches := []string{"address=203.0.113.7", "address=2001:db8::/32", "address=127.0.0.0/8&destination=/topic/hostile/0/99"}
			return func(ctx context.Context) {
				h.pace(ctx, 380, 3000, func(_, i int) error {
					return h.answered("GET", "/v1/projects/hostile/sessions?limit=1000&"+searches[i%len(searches)], "")
				})
			}, nil
		},
	},
	{
		name: "list-unread", does: "64 connections ask for sessions?limit=1000 and do not read",
		may:   listedMemory,
		check: canList,
		prepare: func(h *hostile) (func(context.Context), error) {
			if err := crowd(h); err != nil {
				return nil, err
			}
			return func(ctx context.Context) {
				h.met(together(64, func(int) error {
					c, err := h.dialTo(h.API[len("http://"):])
					if err != nil {
						return err
					}
					_ = c.SetReadBuffer(4096)
					_, err = io.WriteString(c, "GET /v1/projects/hostile/sessions?limit=1000 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer hostile-key\r\n\r\n")
					return err
				}))
				<-ctx.Done()
			}, nil
		},
	},
}

// crowd makes sessions and subscriptions of the hostile tenant.
func crowd(h *hostile) error {
	all, err := h.joinAll(listedSessions, func(i int) string { return fmt.Sprint("user-", i%50) })
	if err != nil {
		return err
	}
	return together(len(all), func(i int) error {
		var text []byte
		for n := range listedSubscriptions {
			text = frame(text, stomp.Subscribe, nil, "id", fmt.Sprint(n), "destination", fmt.Sprintf("/topic/hostile/%d/%d", i, n))
		}
		text = frame(text, stomp.Send, nil, "destination", "/app/x", "receipt", "all")
		if err := all[i].put(ws.OpText, text); err != nil {
			return err
		}
		_, err := all[i].receipt("all")
		return err
	})
}

// list asks the same again and again.
func list(h *hostile, what string, goroutines int, rate float64) (func(context.Context), error) {
	if err := crowd(h); err != nil {
		return nil, err
	}
	return func(ctx context.Context) {
		h.pace(ctx, goroutines, rate, func(int, int) error { return h.answered("GET", "/v1/projects/hostile/"+what, "") })
	}, nil
}

// canList: the victim's own listing is answered.
func canList(n *node, _ report) error {
	for _, path := range []string{"sessions", "destinations", "stats"} {
		if err := n.ask("victim", path); err != nil {
			return err
		}
	}
	return nil
}
