//go:build attacks

package attack

import (
	"context"
	"fmt"
	"strings"
	"time"

	"stentor/stomp"
)

// silentClients is how many do not read large pushes.
const silentClients = 300

var largePushes = []attack{
	{
		name: "large-silent", does: "pushes of 1 MB to 300 clients that read nothing",
		may:     largeMemory,
		prepare: func(h *hostile) (func(context.Context), error) { return pushLarge(h, nil) },
	},
	{
		name: "large-trickle", does: "pushes of 1 MB to 300 clients that read 256 bytes at a time, 20 times a second",
		may: largeMemory,
		prepare: func(h *hostile) (func(context.Context), error) {
			return pushLarge(h, func(ctx context.Context, w *wire) {
				small := make([]byte, 256)
				each(ctx, 50*time.Millisecond, func() { _, _ = w.Read(small) })
			})
		},
	},
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
	{"limits.slow_bytes", 32 * mib},
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

// pushLarge pushes 10 MB a second.
func pushLarge(h *hostile, read func(context.Context, *wire)) (func(context.Context), error) {
	return pushLargeOf(h, "x", 1_000_000, read)
}

// pushLargeOf pushes so often this text, as JSON has it, ten times a second.
func pushLargeOf(h *hostile, text string, times int, read func(context.Context, *wire)) (func(context.Context), error) {
	var all []*wire
	if err := silent(h, silentClients, func(w *wire) { all = append(all, w) }); err != nil {
		return nil, err
	}
	push := `{"topic":"large","payload":"` + strings.Repeat(text, times) + `"}`
	return func(ctx context.Context) {
		if read != nil {
			for _, w := range all {
				go read(ctx, w)
			}
		}
		h.pace(ctx, 4, 10, func(int, int) error { return h.answered("POST", "/v1/projects/hostile/push", push) })
	}, nil
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
