//go:build attacks

package attack

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/gobwas/ws"

	"stentor/stomp"
)

var floodMemory = []memory{{"sessions with input and answers that wait", 32 * mib}}

// floods are attacks on the path of every frame.
var floods = []attack{
	{
		name: "flood-signatures", does: "1,000 CONNECTs a second with wrong signatures",
		may: floodMemory,
		prepare: func(h *hostile) (func(context.Context), error) {
			return func(ctx context.Context) {
				h.pace(ctx, 8, 1000, func(worker, i int) error {
					w, err := h.handshake()
					if err != nil {
						return err
					}
					defer w.Close()
					bad := token(fmt.Sprintf("user-%d-%d", worker, i), strings.Repeat("wrong", 8))
					if err := w.send(stomp.Connect, nil, "accept-version", "1.2", "projectId", "hostile", "token", bad); err != nil {
						return nil
					}
					_, _ = w.next()
					return nil
				})
			}, nil
		},
	},
	{
		name: "flood-unread-connects", does: "1,000 CONNECTs a second whose answers nobody reads",
		may: floodMemory,
		prepare: func(h *hostile) (func(context.Context), error) {
			return func(ctx context.Context) {
				h.pace(ctx, 8, 1000, func(int, int) error {
					w, err := h.handshake()
					if err != nil {
						return err
					}
					_ = w.send(stomp.Connect, nil, "accept-version", "1.2", "projectId", "hostile")
					_ = w.SetLinger(0)
					return w.Close()
				})
			}, nil
		},
	},
	// What follows comes as fast as the node lets it, from clients that come back when they are thrown out.
	{
		name: "flood-heart-beats", does: "8 clients send heart-beats without end, 1,000 in a message", may: floodMemory,
		prepare: pour(8, func(w *wire) error { return w.put(ws.OpText, bytes.Repeat([]byte("\n"), 1000)) }),
	},
	{
		name: "flood-empty-messages", does: "8 clients send empty messages without end", may: floodMemory,
		prepare: pour(8, func(w *wire) error {
			_, err := w.Write(bytes.Repeat([]byte{0x81, 0x80, 0, 0, 0, 0}, 500))
			return err
		}),
	},
	{
		name: "flood-fragments", does: "8 clients send a message in fragments of one byte, without end", may: floodMemory,
		prepare: pour(8, func(w *wire) error {
			_, err := w.Write(append([]byte{0x01, 0x81, 0, 0, 0, 0, 'S'}, bytes.Repeat([]byte{0x00, 0x81, 0, 0, 0, 0, 'E'}, 500)...))
			return err
		}),
	},
	{
		name: "flood-empty-fragments", does: "8 clients send empty fragments without end", may: floodMemory,
		prepare: pour(8, func(w *wire) error {
			_, err := w.Write(append([]byte{0x01, 0x80, 0, 0, 0, 0}, bytes.Repeat([]byte{0x00, 0x80, 0, 0, 0, 0}, 500)...))
			return err
		}),
	},
	{
		name: "flood-pings", does: "8 clients send pings without end and read no pong", may: floodMemory,
		prepare: pour(8, func(w *wire) error {
			_, err := w.Write(bytes.Repeat(append([]byte{0x89, 0x80 | 100, 0, 0, 0, 0}, make([]byte, 100)...), 50))
			return err
		}),
	},
	{
		name: "flood-headers", does: "8 clients send frames with thousands of headers", may: floodMemory,
		prepare: pour(8, func(w *wire) error { return w.put(ws.OpText, []byte("SEND\n"+strings.Repeat("a:b\n", 10_000))) }),
	},
	{
		name: "flood-escapes", does: "8 clients send 60 KiB of escapes, over and over", may: floodMemory,
		prepare: pour(8, func(w *wire) error {
			return w.put(ws.OpText, []byte("SEND\ndestination:/app/x\na:"+strings.Repeat(`\n`, 8000)+"\n\n\x00"))
		}),
	},
	{
		name: "flood-compressed", does: "8 clients send frames that say they are compressed", may: floodMemory,
		prepare: pour(8, func(w *wire) error {
			_, err := w.Write([]byte{0xC1, 0x85, 0, 0, 0, 0, 1, 2, 3, 4, 5})
			return err
		}),
	},
	{
		name: "flood-frames", does: "50 clients send 190 SENDs a second each", may: append([]memory{{"history.bytes", 64 * mib}}, floodMemory...),
		prepare: legal(50, 190, func(w *wire, _ int) error {
			return w.send(stomp.Send, []byte("x"), "destination", "/topic/hostile/none")
		}),
	},
	{
		name: "flood-subscribes", does: "50 clients subscribe and unsubscribe, 95 times a second each", may: floodMemory,
		prepare: legal(50, 95, func(w *wire, i int) error {
			id := fmt.Sprint(i)
			if err := w.send(stomp.Subscribe, nil, "id", id, "destination", "/topic/hostile/"+id); err != nil {
				return err
			}
			return w.send(stomp.Unsubscribe, nil, "id", id)
		}),
	},
	{
		name: "flood-acks", does: "50 clients send 190 ACKs a second each for what nobody sent", may: floodMemory,
		prepare: legal(50, 190, func(w *wire, i int) error { return w.send(stomp.Ack, nil, "id", fmt.Sprint(i)) }),
	},
	{
		name: "flood-ack-windows", does: "20 clients have 10,000 messages each to acknowledge, and do so from the newest on, 190 times a second",
		set:     []string{"projects.hostile.ack_window=65535"},
		may:     append([]memory{{"history.bytes", 64 * mib}, {"ACK windows in limits.session_bytes", 32 * mib}}, floodMemory...),
		prepare: ackWindows,
	},
	{
		name: "storm-resets", does: "200 sessions with 100 subscriptions each come and end at once, five times a second",
		may: []memory{{"200 sessions with 20,000 subscriptions, twice", 2 * (200*perSession + 20_000*perSubscription)}},
		prepare: func(h *hostile) (func(context.Context), error) {
			return func(ctx context.Context) {
				h.pace(ctx, 1, 5, func(int, int) error {
					all, err := h.joinAll(200, func(int) string { return "mallory" })
					if err != nil {
						return err
					}
					for i, w := range all {
						var text []byte
						for n := range 100 {
							text = frame(text, stomp.Subscribe, nil, "id", fmt.Sprint(n), "destination", fmt.Sprintf("/topic/hostile/%d/%d", i%20, n))
						}
						_ = w.put(ws.OpText, text)
					}
					for _, w := range all {
						_ = w.SetLinger(0)
						w.Close()
					}
					return nil
				})
			}, nil
		},
	},
	{
		name: "storm-user", does: "500 sessions of one user, 100 subscriptions each to its queue, and 20 pushes a second to it",
		may: []memory{{"history.bytes", 64 * mib}, {"500 silent sessions with 50,000 subscriptions", 500*(perSession+perSilent) + 50_000*perSubscription}},
		prepare: func(h *hostile) (func(context.Context), error) {
			all, err := h.joinAll(500, func(int) string { return "mallory" })
			if err != nil {
				return nil, err
			}
			for _, w := range all {
				var text []byte
				for n := range 100 {
					text = frame(text, stomp.Subscribe, nil, "id", fmt.Sprint(n), "destination", "/user/queue/x")
				}
				if err := w.put(ws.OpText, text); err != nil {
					return nil, err
				}
			}
			return func(ctx context.Context) {
				h.pace(ctx, 2, 20, func(int, int) error {
					return h.answered("POST", "/v1/projects/hostile/push", `{"user":"mallory","destination":"/queue/x","payload":"x"}`)
				})
			}, nil
		},
	},
}

// pour has n clients send the same without end. One that is thrown out comes back.
func pour(n int, send func(w *wire) error) func(h *hostile) (func(context.Context), error) {
	return func(h *hostile) (func(context.Context), error) {
		return func(ctx context.Context) {
			h.pace(ctx, n, float64(n)*20, func(int, int) error {
				w, err := h.join("")
				if err != nil {
					h.count("not joined", 1)
					return nil
				}
				defer w.Close()
				for ctx.Err() == nil {
					if err := send(w); err != nil {
						h.count("thrown out", 1)
						return nil
					}
					h.count("sent", 1)
				}
				return nil
			})
		}, nil
	}
}

// legal has n clients do something at a rate each that the node allows.
func legal(n int, rate float64, send func(w *wire, i int) error) func(h *hostile) (func(context.Context), error) {
	return func(h *hostile) (func(context.Context), error) {
		all, err := h.joinAll(n, nil)
		return func(ctx context.Context) {
			for _, w := range all {
				go h.drain(w)
			}
			h.pace(ctx, n, rate*float64(n), func(worker, i int) error { return send(all[worker], i) })
		}, err
	}
}

// ackWindows has clients owe many ACKs, which they then give in the order that costs most to look up.
func ackWindows(h *hostile) (func(context.Context), error) {
	const clients, messages = 20, 10_000
	all, err := h.joinAll(clients, nil)
	if err != nil {
		return nil, err
	}
	for _, w := range all {
		if _, err := w.subscribe("a", "/topic/hostile/acks", "ack", "client-individual"); err != nil {
			return nil, err
		}
	}
	if err := h.fill(messages, 1000, func(b *bytes.Buffer, _ int) { b.WriteString(`{"topic":"acks","payload":"x"}`) }); err != nil {
		return nil, err
	}
	ids := make([][]string, clients)
	err = together(clients, func(i int) error {
		for len(ids[i]) < messages {
			g, err := all[i].next()
			if err != nil {
				return err
			}
			if id := g.headers["ack"]; id != "" {
				ids[i] = append(ids[i], id)
			}
		}
		return nil
	})
	return func(ctx context.Context) {
		for _, w := range all {
			go h.drain(w)
		}
		h.pace(ctx, clients, 190*clients, func(worker, i int) error {
			return all[worker].send(stomp.Ack, nil, "id", ids[worker][messages-1-i])
		})
	}, err
}
