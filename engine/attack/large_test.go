//go:build attacks

package attack

import (
	"context"
	"fmt"
	"strings"

	"stentor/stomp"
)

// silentClients is how many do not read large pushes.
const silentClients = 300

var largePushes = []attack{
	{
		name: "small-silent", does: "5,000 small pushes a second to 300 clients that read nothing",
		may: largeMemory,
		prepare: func(h *hostile) (func(context.Context), error) {
			if err := silent(h, silentClients, nil); err != nil {
				return nil, err
			}
			batch := "[" + strings.Repeat(`{"topic":"large","payload":"`+strings.Repeat("x", 100)+`"},`, 99) + `{"topic":"large","payload":"x"}]`
			return func(ctx context.Context) {
				h.pace(ctx, 2, 50, func(int, int) error { return h.answered("POST", "/v1/projects/hostile/push/batch", batch) })
			}, nil
		},
	},
}

var largeMemory = []memory{
	{"history.bytes", 64 * mib},
	{"limits.pending_bytes", 32 * mib},
	{"4 requests of the API, as they came and decoded", 4 * 3 * mib},
	{"300 silent clients", silentClients * (perSession + perSubscription + perSilent)},
}

// silent joins clients that subscribe to /topic/hostile/large; read is what each does then.
func silent(h *hostile, n int, prepared func(w *wire)) error {
	all, err := h.joinAll(n, nil)
	if err != nil {
		return err
	}
	for i, w := range all {
		if err := w.send(stomp.Subscribe, nil, "id", fmt.Sprint(i%10), "destination", "/topic/hostile/large"); err != nil {
			return err
		}
		if prepared != nil {
			prepared(w)
		}
	}
	return nil
}

// answered is a request whose answer, whatever it is, is counted.
func (h *hostile) answered(method, path, body string) error {
	status, _, err := h.request(method, path, body)
	if err != nil {
		return err
	}
	h.count(fmt.Sprint("status ", status), 1)
	return nil
}
