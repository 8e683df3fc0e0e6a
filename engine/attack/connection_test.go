//go:build attacks

package attack

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"stentor/engine/websocket"
)

// oneAddress is where these attacks come from.
var oneAddress = net.IPv4(127, 0, 0, 2)

// perAddress lets the victim's clients in, and few of the attacker's.
var perAddress = []string{"limits.connections_per_address=100"}

// connectionMemory is for connections that are open at a time, of those that one address may have.
var connectionMemory = []memory{{"100 connections before the handshake", 100 * 16 * kib}, {"what connections left that were refused", 4 * mib}}

var bareConnections = []attack{
	{
		name: "connections-bare", does: "10,000 TCP connections from one address that may have 100",
		set: perAddress, may: connectionMemory, prepare: bare(10_000, 5000, "", nil),
	},
	{
		name: "connections-slow", does: "5,000 handshakes from one address, a byte at a time",
		set: perAddress, may: connectionMemory,
		prepare: bare(5000, 2500, "GET /ws HTTP/1.1\r\nHost: x\r\nX: ", func(ctx context.Context, c net.Conn) error {
			return trickle(ctx, c, []byte("x"), 250*time.Millisecond)
		}),
	},
	{
		name: "connections-no-connect", does: "5,000 WebSockets from one address, none of which sends CONNECT",
		set: perAddress, may: connectionMemory,
		prepare: bare(5000, 2500, string(websocket.AppendRequest(nil, "x", "/ws", websocket.NewKey())), nil),
	},
	{
		name: "connections-half", does: "10,000 handshakes from 8 addresses, each with 8,000 bytes that never end",
		may:     []memory{{"limits.unauthenticated times limits.handshake_bytes", 10_000 * 8 * kib}, {"10,000 connections", 10_000 * perSession}},
		prepare: half,
	},
	{
		name: "connections-rebound", does: "200 handshakes a second of a page whose own name leads to the node",
		may:     []memory{{"connections", 2 * mib}},
		prepare: rebound,
		check: func(_ *node, r report) error {
			if r["accepted"] > 0 || r["refused 403"] == 0 {
				return fmt.Errorf("pages of others connect: %v", r)
			}
			return nil
		},
	},
	{
		name: "connections-churn", does: "1,000 connections a second that are reset at once",
		may: []memory{{"1,000 connections", 1000 * perSession}},
		prepare: func(h *hostile) (func(context.Context), error) {
			return func(ctx context.Context) {
				h.pace(ctx, 4, 1000, func(int, int) error {
					c, err := h.dial()
					if err != nil {
						return err
					}
					_ = c.SetLinger(0)
					return c.Close()
				})
			}, nil
		},
	},
	{
		name: "connections-refused", does: "1,500 handshakes a second that are refused: another path, no upgrade, a foreign origin",
		may: []memory{{"1,500 connections", 1500 * perSession}},
		prepare: func(h *hostile) (func(context.Context), error) {
			bad := []string{
				"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", "POST /ws HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
				string(websocket.AppendRequest(nil, "x", "/ws", websocket.NewKey(), "Origin: https://evil.example")),
			}
			return func(ctx context.Context) {
				h.pace(ctx, 8, 1500, func(_, i int) error {
					c, err := h.dial()
					if err != nil {
						return err
					}
					defer c.Close()
					_, _ = io.WriteString(c, bad[i%len(bad)])
					_ = c.SetReadDeadline(time.Now().Add(time.Second))
					_, _ = io.Copy(io.Discard, c)
					return nil
				})
			}, nil
		},
	},
}

// half opens handshakes that are almost as long as they may be, and leaves them so.
func half(h *hostile) (func(context.Context), error) {
	head := "GET /ws HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 8000)
	return func(ctx context.Context) {
		h.pace(ctx, 8, 5000, func(worker, i int) error {
			if i*8+worker >= 10_000 {
				return errDone
			}
			c, err := h.dial()
			if err != nil {
				h.count("not connected", 1)
				return nil
			}
			_, _ = io.WriteString(c, head)
			go func() {
				_ = hold(ctx, c)
				c.Close()
				h.count("ended", 1)
			}()
			return nil
		})
		<-ctx.Done()
	}, nil
}

// rebound makes the handshakes of a browser that shows a page of evil.example, whose name leads to the node.
func rebound(h *hostile) (func(context.Context), error) {
	return func(ctx context.Context) {
		h.pace(ctx, 2, 200, func(int, int) error {
			c, err := h.dial()
			if err != nil {
				return err
			}
			defer c.Close()
			_, _ = c.Write(websocket.AppendRequest(nil, "evil.example:8080", "/ws", websocket.NewKey(), "Origin: http://evil.example:8080"))
			status := make([]byte, 12) // "HTTP/1.1 403"
			_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
			if _, err := io.ReadFull(c, status); err != nil {
				return err
			}
			if what := string(status[9:]); what == "101" {
				h.count("accepted", 1)
			} else {
				h.count("refused "+what, 1)
			}
			return nil
		})
	}, nil
}

// bare opens n connections to the clients' port from one address, at a rate, and holds them as then says.
func bare(n int, rate float64, head string, then func(ctx context.Context, c net.Conn) error) func(h *hostile) (func(context.Context), error) {
	if then == nil {
		then = hold
	}
	return func(h *hostile) (func(context.Context), error) {
		return func(ctx context.Context) {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			h.pace(ctx, 8, rate, func(worker, i int) error {
				if i*8+worker >= n {
					return errDone
				}
				c, err := h.dialFrom(oneAddress, h.Client)
				if err != nil {
					h.count("not connected", 1)
					return nil
				}
				if head != "" {
					_, _ = io.WriteString(c, head)
				}
				go func() {
					_ = then(ctx, c)
					c.Close()
					h.count("ended", 1)
				}()
				return nil
			})
			<-ctx.Done()
		}, nil
	}
}
