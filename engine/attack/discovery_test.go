//go:build attacks

package attack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"stentor/engine/websocket"
)

// advertised lets the node name itself to clients that ask where to connect.
var advertised = []string{"advertise.clients=wss://push-1.example.com/ws"}

var askingMemory = []memory{{"3,000 connections", 3000 * perSession}, {"their requests of 8 KiB", 500 * 8 * kib}}

// discoveries are attacks by those who only ask where to connect, or who ask too much with a handshake.
var discoveries = []attack{
	{
		name: "discovery-flood", does: "3,000 times /v1/endpoints?n=10 a second on the client port, from 65,000 addresses",
		set: advertised, may: askingMemory,
		prepare: asking(3000, anyAddress, []byte("GET /v1/endpoints?n=10 HTTP/1.1\r\nHost: x\r\n\r\n")),
		check:   counted("status 200"),
	},
	{
		name: "discovery-one-address", does: "3,000 times /v1/endpoints a second on the client port, from one address",
		set: advertised, may: askingMemory,
		prepare: asking(3000, func() net.IP { return oneAddress }, []byte("GET /v1/endpoints HTTP/1.1\r\nHost: x\r\n\r\n")),
		check: func(_ *node, r report) error {
			// It may ask 2,000 times at once, and 200 times a second: the attack takes less than 20 s.
			if r["status 200"] > 2000+20*200 {
				return fmt.Errorf("one address has all it asks for: %v", r)
			}
			return counted("status 200")(nil, r)
		},
	},
	{
		name: "discovery-queries", does: "1,500 times /v1/endpoints a second on the client port, each with 2,700 other parameters",
		set: advertised, may: askingMemory,
		prepare: asking(1500, anyAddress, []byte("GET /v1/endpoints?"+manyParameters()+" HTTP/1.1\r\nHost: x\r\n\r\n")),
		check:   counted("status 200"),
	},
	{
		name: "handshake-queries", does: "1,500 handshakes a second, each with 2,700 parameters that nobody asked for",
		may:     askingMemory,
		prepare: asking(1500, anyAddress, websocket.AppendRequest(nil, "x", "/ws?"+manyParameters(), websocket.NewKey())),
		check:   counted("status 101"),
	},
	{
		name: "discovery-api", does: "1,500 times /v1/endpoints a second on the API's port, each with 2,700 other parameters, without a key",
		set: advertised, may: apiMemory,
		prepare: func(h *hostile) (func(context.Context), error) {
			return func(ctx context.Context) {
				h.pace(ctx, 16, 1500, func(int, int) error { return h.answered("GET", "/v1/endpoints?"+manyParameters(), "") })
			}, nil
		},
		check: counted("status 200"),
	},
}

// counted wants something to have happened.
func counted(what string) func(*node, report) error {
	return func(_ *node, r report) error {
		if r[what] == 0 {
			return fmt.Errorf("no %s: %v", what, r)
		}
		return nil
	}
}

// anyAddress is one of 127.1.0.0/16.
func anyAddress() net.IP {
	n := nextSource.Add(1)
	return net.IPv4(127, 1, byte(n>>8), byte(n))
}

// manyParameters is as much of a query as fits into a handshake, each parameter with a name of its own.
func manyParameters() string {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	var b strings.Builder
	for i := 0; b.Len() < 7900; i++ {
		b.WriteByte(letters[i/len(letters)%len(letters)])
		b.WriteByte(letters[i%len(letters)])
		b.WriteByte('&')
	}
	return b.String()
}

// asking sends a request on a connection of its own, at a rate, and counts the answers by their status.
func asking(rate float64, source func() net.IP, request []byte) func(h *hostile) (func(context.Context), error) {
	return func(h *hostile) (func(context.Context), error) {
		return func(ctx context.Context) {
			h.pace(ctx, 16, rate, func(int, int) error {
				c, err := h.dialFrom(source(), h.Client)
				if err != nil {
					h.count("not connected", 1)
					return nil
				}
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(5 * time.Second))
				status := make([]byte, 12) // "HTTP/1.1 200"
				_, err = c.Write(request)
				if _, failed := io.ReadFull(c, status); errors.Join(err, failed) != nil {
					h.count("not answered", 1)
					return nil
				}
				if n, err := strconv.Atoi(string(status[9:])); err == nil {
					h.count(fmt.Sprint("status ", n), 1)
				}
				_ = c.SetLinger(0)
				return nil
			})
		}, nil
	}
}
