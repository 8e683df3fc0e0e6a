//go:build attacks

package attack

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"
)

// apiMemory is what the API's connections may take, whoever has them.
var apiMemory = []memory{{"512 connections to the API", 512 * 32 * kib}, {"half of limits.api_bytes", 32 * mib}}

var apiAttacks = []attack{
	{
		name: "api-unread-bodies", does: "600 connections declare bodies for /healthz and send none, without a key",
		may:     apiMemory,
		prepare: held(600, 1000, "POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n", nil),
	},
	{
		name: "api-declared-batches", does: "64 batches declare 8 MiB each and send nothing",
		may:     apiMemory,
		prepare: held(64, 500, batchHead, nil),
	},
	{
		name: "api-slow-bodies", does: "64 batches of 8 MiB come at 10 KiB a second each",
		may: apiMemory,
		prepare: held(64, 500, batchHead+"[", func(ctx context.Context, c net.Conn) error {
			return trickle(ctx, c, make([]byte, 1<<10), 100*time.Millisecond)
		}),
	},
	{
		name: "api-fast-bodies", does: "16 batches of 8 MiB, all but their ends, are sent at once",
		may: apiMemory,
		prepare: held(16, 50, batchHead+"[", func(ctx context.Context, c net.Conn) error {
			if _, err := c.Write(make([]byte, 8<<20-100)); err != nil {
				return err
			}
			return hold(ctx, c)
		}),
	},
	{
		name: "api-idle", does: "600 connections to the API say nothing",
		may: apiMemory, prepare: held(600, 1000, "", nil),
	},
	{
		name: "api-kept-alive", does: "600 connections get one answer and stay",
		may: apiMemory, prepare: held(600, 1000, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", nil),
	},
	{
		name: "api-slow-headers", does: "600 requests whose headers come a byte at a time",
		may: apiMemory,
		prepare: held(600, 1000, "GET /healthz HTTP/1.1\r\nHost: x\r\nA: ", func(ctx context.Context, c net.Conn) error {
			return trickle(ctx, c, []byte("x"), 250*time.Millisecond)
		}),
	},
	{
		name: "api-wrong-keys", does: "1,500 pushes a second with a wrong key",
		may: apiMemory,
		prepare: func(h *hostile) (func(context.Context), error) {
			return func(ctx context.Context) {
				h.pace(ctx, 8, 1500, func(int, int) error {
					return h.answered("POST", "/v1/projects/victim/push", `{"topic":"all","payload":"x"}`)
				})
			}, nil
		},
	},
	{
		name: "api-metrics", does: "200 times /metrics a second, without a key",
		may: apiMemory,
		prepare: func(h *hostile) (func(context.Context), error) {
			return func(ctx context.Context) {
				h.pace(ctx, 8, 200, func(int, int) error { return h.answered("GET", "/metrics", "") })
			}, nil
		},
	},
	{
		name: "api-pipelined", does: "64 connections send 1,000 requests for /metrics each and read nothing",
		may: apiMemory,
		prepare: held(64, 500, "", func(ctx context.Context, c net.Conn) error {
			for range 1000 {
				if _, err := io.WriteString(c, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
					return err
				}
			}
			return hold(ctx, c)
		}),
	},
	{
		name: "api-pushes", does: "a tenant pushes as fast as 16 connections can, to nobody",
		may: pushMemory,
		prepare: func(h *hostile) (func(context.Context), error) {
			return func(ctx context.Context) {
				h.pace(ctx, 16, 3000, func(int, int) error {
					return h.answered("POST", "/v1/projects/hostile/push", `{"topic":"none","payload":"x"}`)
				})
			}, nil
		},
	},
}

const batchHead = "POST /v1/projects/hostile/push/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer hostile-key\r\nContent-Type: application/json\r\nContent-Length: 8388608\r\n\r\n"

// held keeps n connections to the API, each of which begins with head and goes on as then says, nil for holding still.
// One that ends comes again, at most rate a second in all.
func held(n int, rate float64, head string, then func(ctx context.Context, c net.Conn) error) func(h *hostile) (func(context.Context), error) {
	if then == nil {
		then = hold
	}
	return func(h *hostile) (func(context.Context), error) {
		return func(ctx context.Context) {
			slots := make(chan struct{}, n)
			h.pace(ctx, 1, rate, func(int, int) error {
				select {
				case slots <- struct{}{}:
				case <-ctx.Done():
					return nil
				}
				go func() {
					defer func() { <-slots }()
					c, err := h.dialTo(h.API[len("http://"):])
					if err != nil {
						h.count("not connected", 1)
						return
					}
					defer c.Close()
					if _, err := io.WriteString(c, head); err == nil {
						_ = then(ctx, c)
					}
				}()
				return nil
			})
		}, nil
	}
}

// hold reads until the node ends the connection.
func hold(_ context.Context, c net.Conn) error {
	_, err := io.Copy(io.Discard, c)
	return err
}

// trickle sends a piece at an interval until ctx or the connection ends.
func trickle(ctx context.Context, c net.Conn, piece []byte, interval time.Duration) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, c) // until the node ends it
		cancel()
	}()
	each(ctx, interval, func() {
		if _, err = c.Write(piece); err != nil {
			cancel()
		}
	})
	return fmt.Errorf("trickled: %w", err)
}
