//go:build attacks

package attack

import (
	"context"
	"io"
	"time"
)

var logAttacks = []attack{
	{
		name: "log-stalled", does: "the reader of the node's log stands still while clients provoke lines",
		set: loud, may: []memory{{"connections", 4 * mib}}, prepare: provoke,
		outside: func(n *node) (func() error, error) {
			n.log.still.Lock()
			return func() error { n.log.still.Unlock(); return nil }, nil
		},
	},
	{
		name: "log-closed", does: "the reader of the node's log goes away while clients provoke lines",
		set: loud, may: []memory{{"connections", 4 * mib}}, prepare: provoke,
		outside: func(n *node) (func() error, error) { return func() error { return nil }, n.log.pipe.Close() },
	},
}

// loud has a node say much, and let clients make it say more.
var loud = []string{"log.level=debug", "listen.client=127.0.0.1:0,127.0.0.1:0 proxy_protocol", "listen.trusted_proxies=10.0.0.0/8"}

// provoke has the node log: connections to the proxies' port that are none, handshakes and requests that are wrong.
func provoke(h *hostile) (func(context.Context), error) {
	return func(ctx context.Context) {
		h.pace(ctx, 8, 1500, func(_, i int) error {
			address := []string{h.Client, h.Proxied, h.API[len("http://"):]}[i%3]
			if address == "" {
				return nil
			}
			c, err := h.dialTo(address)
			if err != nil {
				return err
			}
			defer c.Close()
			_, _ = io.WriteString(c, "GET /v1/projects/hostile/push HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			_ = c.SetReadDeadline(time.Now().Add(time.Second))
			_, _ = io.Copy(io.Discard, c)
			return nil
		})
	}, nil
}
