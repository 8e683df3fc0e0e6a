//go:build attacks

package attack

import (
	"context"
	"fmt"
	"strings"

	"stentor/stomp"
)

// credentials must not reach a subscriber, and a sender's words must not look like the server's.
var (
	credentials = []string{"token", "Authorization", "projectId", "login", "passcode"}
	serverWords = []string{"resumed", "dropped", "position", " resumed", "message-id", "subscription", "ack"}
)

var headerAttacks = []attack{{
	name: "headers", does: "SENDs and pushes carry credentials and the server's own words",
	may: []memory{{"history.bytes", 64 * mib}, {"sessions", mib}},
	prepare: func(h *hostile) (func(context.Context), error) {
		all, err := h.joinAll(2, nil)
		if err != nil {
			return nil, err
		}
		sender, reader := all[0], all[1]
		if _, err := reader.subscribe("a", "/topic/hostile/all"); err != nil {
			return nil, err
		}
		go h.drain(sender)
		headers := []string{"destination", "/topic/hostile/all"}
		var pushes []string
		for _, name := range reservedNames() {
			headers = append(headers, name, "evil")
		}
		for _, name := range serverWords {
			pushes = append(pushes, fmt.Sprintf(`{"topic":"all","payload":"x","headers":{%q:"evil"}}`, name))
		}
		return func(ctx context.Context) {
			go func() {
				for {
					g, err := reader.next()
					if err != nil {
						return
					}
					h.count("messages", 1)
					for name, value := range g.headers {
						if value == "evil" {
							h.count("leaked "+strings.TrimSpace(name), 1)
						}
					}
				}
			}()
			h.pace(ctx, 1, 50, func(_, i int) error {
				if i%2 == 0 {
					return sender.send(stomp.Send, []byte("x"), headers...)
				}
				return h.answered("POST", "/v1/projects/hostile/push", pushes[i/2%len(pushes)])
			})
		}, nil
	},
	check: func(_ *node, r report) error {
		if r["messages"] == 0 {
			return fmt.Errorf("no message came: %v", r)
		}
		for name := range r {
			if strings.HasPrefix(name, "leaked ") {
				return fmt.Errorf("subscribers see what a sender says: %v", r)
			}
		}
		return nil
	},
}}

func reservedNames() []string { return append(append([]string{}, credentials...), serverWords...) }
