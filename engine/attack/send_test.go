//go:build attacks

package attack

import (
	"context"
	"fmt"

	"stentor/stomp"
)

// littleHistory is passed many times over in the time of an attack.
var littleHistory = []string{"history.bytes=1MiB"}

// sendMemory leaves no room for what would be kept of pushes that have left history.
var sendMemory = []memory{{"history.bytes", mib}, {"100 sessions with input and answers that wait", 8 * mib}}

// sends are attacks with the ids that clients give to their SENDs, which a node remembers.
var sends = []attack{
	{
		name: "send-ids", does: "100 clients send 190 SENDs a second each, all with ids of their own, past a small history",
		set: littleHistory, may: sendMemory,
		prepare: sending(func(worker, i int) string { return fmt.Sprintf("%d-%d", worker, i) }, make([]byte, 1<<10)),
		check: func(n *node, r report) error {
			if r["messages"] == 0 {
				return fmt.Errorf("no message came: %v", r)
			}
			return withinHistory(n, mib)
		},
	},
	{
		name: "send-one-id", does: "100 clients send 190 SENDs a second each, all with the same id, of which one is published",
		set: littleHistory, may: sendMemory,
		prepare: sending(func(int, int) string { return "again" }, []byte("x")),
		check: func(n *node, r report) error {
			if r["messages"] != 1 {
				return fmt.Errorf("not one message came: %v", r)
			}
			return withinHistory(n, mib)
		},
	},
	{
		name: "send-long-ids", does: "100 clients send 95 SENDs a second each, with ids of 15 KiB",
		may:     append([]memory{{"history.bytes", 64 * mib}}, floodMemory...),
		prepare: sendingAt(95, func(worker, i int) string { return fmt.Sprintf("%015000d-%d", worker, i) }, []byte("x")),
	},
}

// withinHistory checks what the histories of all projects are counted with: the victim has hardly any.
func withinHistory(n *node, most int64) error {
	bytes, err := n.metric("stentor_history_bytes")
	if err != nil {
		return err
	}
	pushes, err := n.metric("stentor_history_pushes")
	if err == nil && (bytes > 2*float64(most) || bytes == 0 || pushes == 0) {
		err = fmt.Errorf("histories have %v bytes in %v pushes, of %d for each project", bytes, pushes, most)
	}
	return err
}

func sending(id func(worker, i int) string, body []byte) func(h *hostile) (func(context.Context), error) {
	return sendingAt(190, id, body)
}

// sendingAt has clients of one user send at a rate each, and one that reads what is published.
func sendingAt(rate float64, id func(worker, i int) string, body []byte) func(h *hostile) (func(context.Context), error) {
	return func(h *hostile) (func(context.Context), error) {
		const clients = 100
		all, err := h.joinAll(clients+1, func(int) string { return "mallory" })
		if err != nil {
			return nil, err
		}
		reader := all[clients]
		if _, err := reader.subscribe("a", "/topic/hostile/sent"); err != nil {
			return nil, err
		}
		go func() {
			for {
				g, err := reader.next()
				if err != nil {
					return
				}
				if g.command == stomp.MessageCommand {
					h.count("messages", 1)
				}
			}
		}()
		for _, w := range all[:clients] {
			go h.drain(w)
		}
		return func(ctx context.Context) {
			h.pace(ctx, clients, rate*clients, func(worker, i int) error {
				return all[worker].send(stomp.Send, body, "destination", "/topic/hostile/sent", "stentor-id", id(worker, i))
			})
		}, nil
	}
}
