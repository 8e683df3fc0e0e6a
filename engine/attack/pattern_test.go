//go:build attacks

package attack

import (
	"context"
	"fmt"
	"strings"

	"stentor/stomp"
)

// patternMemory is for the sessions, their patterns and what they send.
var patternMemory = []memory{{"history.bytes", 64 * mib}, {"20 sessions with 1,000 patterns", 20*(perSession+perSilent) + 1000*(perSubscription+2*kib)}}

var patternAttacks = []attack{
	{
		name: "patterns", does: "a user with 20 sessions, as many patterns full of stars as it may have, and 180 SENDs a second",
		may: patternMemory, prepare: patterns(1, manyStars, strings.Repeat("a", 900)),
	},
	{
		name: "patterns-users", does: "20 users with as many patterns full of stars as they may have, and 180 SENDs a second",
		may: patternMemory, prepare: patterns(20, manyStars, strings.Repeat("a", 900)),
	},
	{
		name: "patterns-deep", does: "20 users with as many patterns as they may have that look into every depth, and 180 SENDs a second",
		may: patternMemory, prepare: patterns(20, func(n int) string { return fmt.Sprintf("**/a/*a*a*a*a/a/%d", n) }, strings.Repeat("aaaaaa/", 130)+"b"),
	},
	{
		name: "patterns-plain", does: "20 users with 1,000 plain patterns, and 180 SENDs a second",
		may: patternMemory, prepare: patterns(20, func(n int) string { return fmt.Sprintf("orders/%d/*", n) }, "orders/7/x"),
	},
	{
		name: "patterns-matching", does: "20 users with as many patterns as they may have that all match, and 180 SENDs a second",
		may:     patternMemory,
		prepare: patterns(20, func(n int) string { return strings.Repeat("*", 1+n%25) + "a" + strings.Repeat("?", n/25) }, strings.Repeat("a", 100)),
	},
}

// manyStars is a segment as long as one with stars may be.
func manyStars(n int) string { return strings.Repeat("*a", 29) + fmt.Sprintf("*%04d", n) }

// patterns subscribes to 1,000 patterns in 20 sessions of so many users, as far as the node lets it, and sends to a
// destination.
func patterns(users int, pattern func(n int) string, to string) func(h *hostile) (func(context.Context), error) {
	const sessions, each = 20, 50
	return func(h *hostile) (func(context.Context), error) {
		all, err := h.joinAll(sessions, func(i int) string { return fmt.Sprint("mallory-", i%users) })
		if err != nil {
			return nil, err
		}
		senders, err := h.joinAll(sessions, nil)
		if err != nil {
			return nil, err
		}
		err = together(sessions, func(i int) error {
			for n := range each {
				if _, err := all[i].subscribe(fmt.Sprint(n), "/topic/hostile/"+pattern(i*each+n)); err != nil {
					h.count("sessions refused a pattern", 1) // and ended; the others go on
					return nil
				}
				h.count("patterns", 1)
			}
			go h.drain(all[i])
			return nil
		})
		return func(ctx context.Context) {
			for _, w := range senders {
				go h.drain(w)
			}
			h.pace(ctx, sessions, 180, func(worker, _ int) error {
				return senders[worker].send(stomp.Send, []byte("x"), "destination", "/topic/hostile/"+to)
			})
		}, err
	}
}
