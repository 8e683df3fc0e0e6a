//go:build attacks

package attack

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// What a session over HTTP takes, and a request of one: a goroutine, with net/http's buffers.
const (
	perHTTPSession = 2 * kib
	perRequest     = 40 * kib
)

// overHTTPMemory is what sockjs.connections and limits.session_bytes let the attacker have.
func overHTTPMemory(sessions, requests int64) []memory {
	return []memory{
		{fmt.Sprintf("%d sessions over HTTP", sessions), sessions * (perSession + perHTTPSession)},
		{fmt.Sprintf("%d requests and idle connections", requests), requests * (perSession + perRequest)},
		{"what clients have sent, an eighth of limits.session_bytes", 64 * mib},
	}
}

// The node serves 10,000 sessions and 20,000 connections over HTTP, and 10,000 connections that are not authenticated.
var overHTTPAttacks = []attack{
	{
		name: "http-leave", does: "2,000 sessions a second by xhr, each left at once",
		set: withSockJS, may: overHTTPMemory(10_000, 10_000),
		prepare: func(h *hostile) (func(context.Context), error) {
			return func(ctx context.Context) {
				h.pace(ctx, 8, 2000, func(worker, i int) error { return h.tries(request(worker, i, "xhr", "")) })
				// Those who stay: sessions that were left expire.
				h.insist("503", 6000, func(i int) error { return h.held(ctx, request(999, i, "xhr_streaming", ""), nil) })
			}, nil
		},
		check: someSessions,
	},
	{
		name: "http-idle", does: "20,000 connections with a session each that stay open and idle",
		set: withSockJS, may: overHTTPMemory(10_000, 10_000),
		prepare: func(h *hostile) (func(context.Context), error) {
			return func(ctx context.Context) {
				h.pace(ctx, 8, 4000, func(worker, i int) error {
					if i*8+worker >= 20_000 {
						return errDone
					}
					return h.held(ctx, request(worker, i, "xhr", ""), nil)
				})
				<-ctx.Done()
			}, nil
		},
	},
	{
		name: "http-silent", does: "300 receivers that read nothing of large pushes",
		set: withSockJS, may: append([]memory{
			{"history.bytes", 64 * mib}, {"limits.pending_bytes", 32 * mib}, {"limits.slow_bytes", 32 * mib}, {"4 requests of the API, as they came and decoded", 4 * 3 * mib},
		}, overHTTPMemory(300, 300)...),
		prepare: func(h *hostile) (func(context.Context), error) {
			const connect = `["CONNECT\naccept-version:1.2\nprojectId:hostile\n\n\u0000SUBSCRIBE\nid:1\ndestination:/topic/hostile/large\n\n\u0000"]`
			for i := range 300 {
				for _, r := range []string{request(0, i, "xhr", ""), request(0, i, "xhr_send", connect)} {
					if err := h.exchange(r); err != nil {
						return nil, err
					}
				}
				if err := h.held(context.Background(), request(0, i, "xhr_streaming", ""), func(net.Conn) { select {} }); err != nil {
					return nil, err
				}
			}
			push := `{"topic":"large","payload":"` + strings.Repeat("x", 1_000_000) + `"}`
			return func(ctx context.Context) {
				h.pace(ctx, 2, 10, func(int, int) error { return h.answered("POST", "/v1/projects/hostile/push", push) })
			}, nil
		},
	},
	{
		name: "http-bombs", does: "bodies of xhr_send as large as they may be, and larger, from 200 connections without end",
		set: withSockJS, may: overHTTPMemory(1000, 1000),
		prepare: func(h *hostile) (func(context.Context), error) {
			for i := range 200 {
				if err := h.exchange(request(0, i, "xhr", "")); err != nil {
					return nil, err
				}
			}
			bombs := []string{`["` + strings.Repeat(`\u0000`, 20_000) + `"]`, `["` + strings.Repeat("x", 1_000_000) + `"]`, strings.Repeat("[", 100_000), `[` + strings.Repeat(`"",`, 40_000) + `""]`}
			return func(ctx context.Context) {
				h.pace(ctx, 8, 400, func(worker, i int) error {
					_ = h.tries(request(0, i%200, "xhr_send", bombs[i%len(bombs)]))
					if i%5 == 0 { // those that expired
						return h.tries(request(0, i%200, "xhr", ""))
					}
					return nil
				})
			}, nil
		},
	},
	{
		name: "http-slow", does: "5,000 bodies a byte at a time, and heads that do not end on connections that were used before",
		set: withSockJS, may: overHTTPMemory(5000, 5000),
		prepare: func(h *hostile) (func(context.Context), error) {
			return func(ctx context.Context) {
				h.pace(ctx, 8, 2500, func(worker, i int) error {
					if i*8+worker >= 5000 {
						return errDone
					}
					r := request(worker, i, "xhr", "")
					return h.held(ctx, r, func(c net.Conn) {
						head := "POST /ws/0/session"
						if i%2 == 0 {
							head = strings.Replace(request(worker, i, "xhr_send", ""), "Content-Length: 0", "Content-Length: 60000", 1)
						}
						_, _ = io.WriteString(c, head)
						_ = trickle(ctx, c, []byte("x"), 250*time.Millisecond)
					})
				})
				<-ctx.Done()
			}, nil
		},
	},
	{
		name: "http-guesses", does: "2,000 requests a second for sessions of others whose ids are guessed",
		set: withSockJS, may: overHTTPMemory(100, 1000),
		prepare: func(h *hostile) (func(context.Context), error) {
			return func(ctx context.Context) {
				h.pace(ctx, 8, 2000, func(worker, i int) error { return h.tries(request(worker, i, "xhr_send", `["\n"]`)) })
			}, nil
		},
		check: func(_ *node, r report) error {
			if r["204"] > 0 || r["429"] == 0 {
				return fmt.Errorf("guesses go through: %v", r)
			}
			return nil
		},
	},
}

// someSessions fails when no session was opened, or all were.
func someSessions(_ *node, r report) error {
	if r["200"] == 0 || r["503"] == 0 {
		return fmt.Errorf("every one of the addresses gets some of the places, and none gets all: %v", r)
	}
	return nil
}

// request is one of a client that is known by two numbers. Both are in its session's id: the protocol ignores the server in the path.
func request(worker, i int, transport, body string) string {
	return fmt.Sprintf("POST /ws/000/session%03d-%08d/%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", worker, i, transport, len(body), body)
}

// exchange makes a request on a connection of its own, reads the whole answer, and counts it.
func (h *hostile) exchange(request string) error {
	c, err := h.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := h.asks(c, strings.Replace(request, "\r\n", "\r\nConnection: close\r\n", 1)); err != nil {
		return err
	}
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	_, err = io.Copy(io.Discard, c)
	return err
}

// tries makes a request on a connection of its own, and leaves within the answer. It counts also that none comes.
func (h *hostile) tries(request string) error {
	c, err := h.dial()
	if err == nil {
		err = h.asks(c, request)
		c.Close()
	}
	if err != nil {
		h.count("no answer", 1)
	}
	return nil
}

func (h *hostile) asks(c net.Conn, request string) error {
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(c, request); err != nil {
		return err
	}
	status := make([]byte, 12) // "HTTP/1.1 200"
	if _, err := io.ReadFull(c, status); err != nil {
		return err
	}
	_ = c.SetDeadline(time.Time{})
	h.count(string(status[9:]), 1)
	return nil
}

// held is exchange for a connection that stays open until ctx ends, or with which then is done: it is read, unless then is there.
func (h *hostile) held(ctx context.Context, request string, then func(net.Conn)) error {
	c, err := h.dial()
	if err == nil {
		err = h.asks(c, request)
	}
	if err != nil {
		h.count("not answered", 1)
		return nil
	}
	go func() {
		if then != nil {
			then(c)
		} else {
			_ = hold(ctx, c)
		}
		_ = c.Close()
	}()
	return nil
}
