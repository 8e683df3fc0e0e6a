//go:build attacks

package attack

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/gobwas/ws"

	"stentor/engine/deflate"
	"stentor/engine/websocket"
	"stentor/stomp"
)

// withCompression is a node whose endpoint has it.
var withCompression = []string{"endpoints=[{path: /ws, compression: true}]"}

// compressionAttacks are attacks with messages that cost more than they bring, and with pushes that have to be compressed.
var compressionAttacks = []attack{
	{
		name: "compression-bombs", does: "8 clients send messages of 1 KB that inflate to 1 MB, and of 150 B that inflate to what a SEND may have, without end",
		set: withCompression, may: floodMemory,
		prepare: compressing(func(h *hostile) (func(context.Context), error) {
			within := websocket.AppendMasked(nil, ws.OpText|0x40, [4]byte{1, 2, 3, 4}, bomb(60<<10))
			all := websocket.AppendMasked(bytes.Repeat(within, 100), ws.OpText|0x40, [4]byte{1, 2, 3, 4}, bomb(1<<20))
			return pour(8, func(w *wire) error {
				_, err := w.Write(all)
				return err
			})(h)
		}),
	},
	{
		name: "compression-hollow", does: "8 clients send messages of blocks that contain nothing: 3,000 with tables of their own, and 20,000 empty ones", set: withCompression, may: floodMemory,
		prepare: compressing(pour(8, func(w *wire) error {
			if err := w.putPacked(append([]byte(strings.Repeat("\x00\x00\x00\xff\xff", 20_000)), 0)); err != nil {
				return err
			}
			return w.putPacked(append([]byte(strings.Repeat(hollowBlocks, 350)), 0))
		})),
	},
	{
		name: "compression-fragments", does: "8 clients send a compressed message in fragments of one block, without end", set: withCompression, may: floodMemory,
		prepare: compressing(pour(8, func(w *wire) error {
			part := "\x00\x85\x00\x00\x00\x00\x00\x00\x00\xff\xff"
			_, err := w.Write([]byte("\x41\x85\x00\x00\x00\x00\x00\x00\x00\xff\xff" + strings.Repeat(part, 40_000)))
			return err
		})),
	},
	{
		name: "compression-strangers", does: "500 WebSockets a second send a bomb in place of CONNECT", set: withCompression, may: floodMemory,
		prepare: compressing(func(h *hostile) (func(context.Context), error) {
			beyond := bomb(1 << 20)
			return func(ctx context.Context) {
				h.pace(ctx, 8, 500, func(int, int) error {
					w, err := h.handshake()
					if err != nil {
						return err
					}
					defer w.Close()
					if err := w.putPacked(beyond); err != nil {
						return nil
					}
					_, _ = w.next()
					h.count("bombs", 1)
					return nil
				})
			}, nil
		}),
	},
	{
		name: "compression-pushes", does: "pushes of 100 KB as fast as they are accepted, for one client that wants them compressed", set: withCompression,
		may: append([]memory{{"history.bytes", 64 * mib}}, largeMemory...),
		prepare: compressing(func(h *hostile) (func(context.Context), error) {
			w, err := h.join("")
			if err != nil {
				return nil, err
			}
			if _, err := w.subscribe("a", "/topic/hostile/a"); err != nil {
				return nil, err
			}
			go h.drain(w)
			text := strings.Builder{}
			for i := 0; text.Len() < 100_000; i++ {
				fmt.Fprintf(&text, "price %d of %x; ", i*i%7919, i*i*i)
			}
			push := fmt.Sprintf(`{"topic":"/topic/hostile/a","payload":%q}`, text.String())
			return func(ctx context.Context) {
				h.pace(ctx, 4, 4000, func(int, int) error {
					if _, err := h.push(push); err != nil {
						return err
					}
					h.count("pushes", 1)
					return nil
				})
			}, nil
		}),
		check: func(n *node, r report) error {
			seconds, err := n.metric("stentor_compression_seconds_total")
			if err == nil && (seconds == 0 || r["pushes"] == 0) {
				err = fmt.Errorf("nothing was compressed: %v s, %v", seconds, r)
			}
			return err
		},
	},
}

// compressing has the attacker's clients offer compression.
func compressing(prepare func(h *hostile) (func(context.Context), error)) func(h *hostile) (func(context.Context), error) {
	return func(h *hostile) (func(context.Context), error) {
		h.packs = true
		return prepare(h)
	}
}

// bomb is a compressed message that inflates to a SEND with a body of n bytes.
func bomb(n int) []byte {
	return new(deflate.Packer).Pack(nil, frame(nil, stomp.Send, make([]byte, n), "destination", "/topic/hostile/none"))
}

// putPacked sends a compressed message.
func (w *wire) putPacked(payload []byte) error { return w.put(ws.OpText|0x40, payload) }

// hollowBlocks are eight DEFLATE blocks with codes of their own and no content, which end at a byte.
var hollowBlocks = func() string {
	var b []byte
	n := 0
	put := func(v uint32, bits int) {
		for i := range bits {
			if n%8 == 0 {
				b = append(b, 0)
			}
			b[n/8] |= byte(v>>i&1) << (n % 8)
			n++
		}
	}
	for range 8 {
		put(0, 1)
		put(2, 2)
		put(0, 10) // 257 literals, one distance
		put(14, 4) // 18 lengths of code lengths: 18 and 1 have one bit
		for i := range 18 {
			put(map[int]uint32{2: 1, 17: 1}[i], 3)
		}
		put(1|127<<1, 8) // 138 zeros
		put(1|107<<1, 8) // 118 zeros
		put(0, 2)        // the end of the block, one distance
		put(0, 1)        // the end of the block
	}
	return string(b)
}()
