//go:build attacks

package attack

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"stentor/stomp"
)

// renewals is an attack with tokens for sessions that have one.
var renewals = []attack{{
	name: "renewals", does: "100 clients renew their token 50 times a second each, always with another one of 6 KiB",
	may: []memory{{"100 sessions with input and answers that wait", 8 * mib}, {"auth.cache_entries: 8,192 of a user's name and digest", 2 * mib}},
	prepare: func(h *hostile) (func(context.Context), error) {
		const clients, rate = 100, 50
		all, err := h.joinAll(clients, func(int) string { return "mallory" })
		if err != nil {
			return nil, err
		}
		for _, w := range all {
			go func() {
				for {
					g, err := w.next()
					if err != nil {
						return
					}
					h.count(fmt.Sprintf("%s %s%s", g.command, g.headers["renewed"], g.headers["reason"]), 1)
				}
			}()
		}
		pad := strings.Repeat("x", 4<<10)
		return func(ctx context.Context) {
			h.pace(ctx, clients, rate*clients, func(worker, i int) error {
				t := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "mallory", "exp": time.Now().Add(time.Hour).Unix(), "jti": fmt.Sprint(worker, i), "pad": pad})
				t.Header["kid"] = "a"
				signed, err := t.SignedString([]byte(hostileSecret))
				if err != nil {
					return err
				}
				return all[worker].send(stomp.Send, nil, "destination", "/stentor/token", "token", signed, "receipt", "r")
			})
		}, nil
	},
	check: func(n *node, r report) error {
		renewed, err := n.metric("stentor_token_renewals_total")
		const most = 100 * 30 // of 12,500: a session has some 4 a second, and as many at once
		if err == nil && (renewed == 0 || renewed > most) {
			err = fmt.Errorf("not some of the renewals are verified, which is at most %d: %v, %v", most, renewed, r)
		}
		return err
	},
}}
