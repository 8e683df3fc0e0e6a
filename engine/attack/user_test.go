//go:build attacks

package attack

import (
	"context"
	"errors"
	"fmt"

	"stentor/stomp"
)

// fewSessions is what a user of these attacks may have.
const fewSessions = 10

var userAttacks = []attack{{
	name: "user-sessions", does: "500 CONNECTs a second of a user who has all the sessions that it may have, while 10 others come and go",
	set: []string{fmt.Sprintf("limits.sessions_per_user=%d", fewSessions)}, may: floodMemory,
	prepare: func(h *hostile) (func(context.Context), error) {
		if _, err := h.joinAll(fewSessions, func(int) string { return "mallory" }); err != nil {
			return nil, err
		}
		tokens := []string{token("mallory", hostileSecret)}
		for i := range 10 {
			tokens = append(tokens, token(fmt.Sprint("other-", i), hostileSecret))
		}
		return func(ctx context.Context) {
			h.pace(ctx, 8, 500, func(_, i int) error {
				w, err := h.handshake()
				if err != nil {
					return err
				}
				defer w.Close()
				who := max(0, i%20-9) // every second one is of mallory
				if err := w.send(stomp.Connect, nil, "accept-version", "1.2", "projectId", "hostile", "token", tokens[who]); err != nil {
					return err
				}
				g, err := w.next()
				var end *closed
				switch {
				case errors.As(err, &end):
					h.count(fmt.Sprintf("user %d closed with %d", min(who, 1), end.code), 1)
				case err != nil:
					return err
				default:
					h.count(fmt.Sprintf("user %d %s", min(who, 1), g.command), 1)
				}
				return nil
			})
		}, nil
	},
	check: func(_ *node, r report) error {
		if r["user 0 closed with 1013"] == 0 || r["user 0 CONNECTED"] > 0 || r["user 1 CONNECTED"] == 0 {
			return fmt.Errorf("not the user alone is refused: %v", r)
		}
		return nil
	},
}}
