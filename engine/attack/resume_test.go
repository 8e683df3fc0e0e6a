//go:build attacks

package attack

import (
	"bytes"
	"context"
	"fmt"

	"stentor/stomp"
)

// missed is how many small pushes there are to resume over.
const missed = 155_000

var resumes = []attack{
	{
		name: "resume-silent", does: "5 clients resume 100 subscriptions each over all of history, and read nothing",
		may:     append(smallHistory, memory{"5 silent clients, 500 subscriptions", 5*(perSession+perSilent) + 500*perSubscription}),
		prepare: func(h *hostile) (func(context.Context), error) { return resumeAll(h, false) },
	},
	{
		name: "resume-reading", does: "5 clients resume 100 subscriptions each over all of history, and read it all",
		may:     append(smallHistory, memory{"5 clients, 500 subscriptions", 5*(perSession+perSilent) + 500*perSubscription}),
		prepare: func(h *hostile) (func(context.Context), error) { return resumeAll(h, true) },
	},
	{
		name: "resume-nothing", does: "20 clients subscribe and unsubscribe at 90 frames a second each, and missed nothing",
		may: append(smallHistory, memory{"20 clients", 20 * (perSession + perSilent)}),
		prepare: func(h *hostile) (func(context.Context), error) {
			_, newest, err := longHistory(h)
			return resumeAgain(h, 20, "/topic/hostile/many", newest), err
		},
	},
	{
		name: "resume-pattern", does: "4 clients resume a pattern over all of history at 60 frames a second each",
		may: append(smallHistory, memory{"4 clients", 4 * (perSession + perSilent)}),
		prepare: func(h *hostile) (func(context.Context), error) {
			oldest, _, err := longHistory(h)
			return resumeAgain(h, 4, "/topic/hostile/m*y", oldest), err
		},
	},
	{
		name: "resume-pattern-nothing", does: "20 clients resume a pattern that matches nothing at 90 frames a second each",
		may: append(smallHistory, memory{"20 clients", 20 * (perSession + perSilent)}),
		prepare: func(h *hostile) (func(context.Context), error) {
			oldest, _, err := longHistory(h)
			return resumeAgain(h, 20, "/topic/hostile/n*y", oldest), err
		},
	},
	{
		name: "resume-user", does: "20 clients resume their user's queue over all of history at 90 frames a second each",
		may: append(smallHistory, memory{"20 clients", 20 * (perSession + perSilent)}),
		prepare: func(h *hostile) (func(context.Context), error) {
			oldest, _, err := longHistory(h)
			return resumeAgain(h, 20, "/user/queue/many", oldest), err
		},
	},
}

// smallHistory is what all that these attacks share may take: the history, and the requests that fill it.
var smallHistory = []memory{{"history.bytes", 64 * mib}, {"a request of the API", 8 * mib}}

// longHistory fills the hostile tenant's history with small pushes, and names the oldest and the newest.
func longHistory(h *hostile) (oldest, newest string, err error) {
	const one = `{"topic":"many","payload":"x"}`
	if oldest, err = h.push(one); err != nil {
		return "", "", err
	}
	if err = h.fill(missed, 5000, func(b *bytes.Buffer, _ int) { b.WriteString(one) }); err != nil {
		return "", "", err
	}
	newest, err = h.push(one)
	return oldest, newest, err
}

// resumeAll has 5 clients resume as much as they may.
func resumeAll(h *hostile, read bool) (func(context.Context), error) {
	oldest, _, err := longHistory(h)
	if err != nil {
		return nil, err
	}
	all, err := h.joinAll(5, nil)
	return func(ctx context.Context) {
		h.met(together(len(all), func(i int) error {
			if read {
				go h.drain(all[i])
			}
			for n := range 100 {
				if err := all[i].send(stomp.Subscribe, nil, "id", fmt.Sprint(n), "destination", "/topic/hostile/many", "last-message-id", oldest); err != nil {
					return err
				}
			}
			return nil
		}))
		<-ctx.Done()
	}, err
}

// standing is how many of its subscriptions a client keeps while it goes on with others: what is left at once may never
// have been resumed.
const standing = 50

// resumeAgain has clients resume again and again behind the same message.
func resumeAgain(h *hostile, clients int, destination, after string) func(context.Context) {
	all, err := h.joinAll(clients, func(i int) string { return fmt.Sprint("user-", i) })
	h.met(err)
	return func(ctx context.Context) {
		for _, w := range all {
			if w != nil {
				go h.drain(w)
			}
		}
		rate := 30.0 // resumes a second and client
		if clients > 4 {
			rate = 45
		}
		h.pace(ctx, clients, rate*float64(clients), func(worker, i int) error {
			id := fmt.Sprint(i)
			if err := all[worker].send(stomp.Subscribe, nil, "id", id, "destination", destination, "last-message-id", after); err != nil {
				return err
			}
			if i < standing {
				return nil
			}
			return all[worker].send(stomp.Unsubscribe, nil, "id", fmt.Sprint(i-standing))
		})
	}
}
