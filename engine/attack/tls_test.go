//go:build attacks

package attack

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"stentor/engine/testkit/certificate"
)

// overTLS gives the node a second listener, with TLS. The victim stays at the first.
var overTLS = []string{"listen.client=127.0.0.1:0,127.0.0.1:0 tls", "tls.certificates=[{cert: push.pem, key: push.pem.key}]"}

const (
	perShake    = 64 * kib // of a handshake under way
	perSecure   = 16 * kib // of a connection over TLS with what its handshake left to the collector
	shakesMost  = 2400     // of tls.handshakes that 8 addresses can take
	shakesASec  = 150
	stalledASec = 1500
)

// patientTLS is overTLS with handshakes that last longer than a slow machine needs to begin shakesMost.
var patientTLS = append(slices.Clip(overTLS), "limits.handshake_timeout=1m")

// shakeRefused is, in the report, handshakes that the node ended.
const shakeRefused = "ended by the node"

var tlsAttacks = []attack{
	{
		name: "tls-stalled", does: "as many handshakes of TLS as 8 addresses may have, which stop behind the server's part",
		set: patientTLS, may: []memory{{"handshakes", shakesMost * perShake}, {"connections", 10_000 * perSession}},
		prepare: stalled, check: leavesShakes,
	},
	{
		name: "tls-stalled-busy", does: "the same, and 150 whole handshakes a second",
		set: patientTLS, may: []memory{{"handshakes", shakesMost * perShake}, {"connections", 10_000 * perSession}, {"whole ones", 500 * perSecure}},
		prepare: func(h *hostile) (func(context.Context), error) {
			stall, err := stalled(h)
			shake, _ := shaking(h)
			return func(ctx context.Context) {
				go shake(ctx)
				stall(ctx)
			}, err
		},
		check: leavesShakes,
	},
	{
		name: "tls-trickle", does: "2,000 ClientHellos, a byte at a time",
		set: overTLS, may: []memory{{"ClientHellos", 2000 * 32 * kib}},
		prepare: func(h *hostile) (func(context.Context), error) {
			hello, err := certificate.ClientHello(&tls.Config{ServerName: certificate.Name})
			return func(ctx context.Context) {
				h.pace(ctx, 8, 1000, func(worker, i int) error {
					if i*8+worker >= 2000 {
						return errDone
					}
					c, err := h.dialTo(h.Proxied)
					if err != nil {
						return err
					}
					go func() {
						defer c.Close()
						for _, b := range hello {
							if _, err := c.Write([]byte{b}); err != nil {
								return
							}
							select {
							case <-ctx.Done():
								return
							case <-time.After(200 * time.Millisecond):
							}
						}
					}()
					return nil
				})
				<-ctx.Done()
			}, err
		},
	},
	{
		name: "tls-junk", does: "200 connections a second over TLS that go on with what is no record: half ones, plain HTTP, a second ClientHello",
		set: overTLS, may: []memory{{"connections", 600 * (perSecure + 20*kib)}},
		prepare: func(h *hostile) (func(context.Context), error) {
			hello, err := certificate.ClientHello(&tls.Config{ServerName: certificate.Name})
			junk := [][]byte{[]byte("\x17\x03\x03\x40\x11half"), []byte("GET / HTTP/1.1\r\n\r\n"), hello, []byte("\x14\x03\x03\x00\x01\x01"), []byte("\x17\x03\x03\x00\x13never sealed by us.")}
			return func(ctx context.Context) {
				h.pace(ctx, 4, 200, func(_, i int) error {
					c, err := h.secure()
					if err != nil {
						return err
					}
					below := c.NetConn()
					_, _ = below.Write(junk[i%len(junk)])
					_ = c.SetReadDeadline(time.Now().Add(time.Second))
					_, _ = io.Copy(io.Discard, c)
					return c.Close()
				})
			}, err
		},
	},
}

// secure opens a connection over TLS.
func (h *hostile) secure() (*tls.Conn, error) {
	c, err := h.dialTo(h.Proxied)
	if err != nil {
		return nil, err
	}
	t := tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	_ = t.SetDeadline(time.Now().Add(5 * time.Second))
	if err := t.Handshake(); err != nil {
		_ = c.Close()
		return nil, err
	}
	h.count("handshakes", 1)
	return t, nil
}

// shaking makes whole handshakes, and leaves.
func shaking(h *hostile) (func(context.Context), error) {
	return func(ctx context.Context) {
		h.pace(ctx, 4, shakesASec, func(int, int) error {
			c, err := h.secure()
			if err != nil {
				return err
			}
			return c.Close()
		})
	}, nil
}

// stalled begins handshakes again and again, and never goes on with one.
func stalled(h *hostile) (func(context.Context), error) {
	hello, err := certificate.ClientHello(&tls.Config{ServerName: certificate.Name})
	return func(ctx context.Context) {
		begin := func() error {
			c, err := h.dialTo(h.Proxied)
			if err != nil {
				return err
			}
			if _, err := c.Write(hello); err != nil {
				h.count(shakeRefused, 1)
				return err
			}
			h.count("begun", 1)
			go func() {
				if err := hold(ctx, c); !errors.Is(err, os.ErrDeadlineExceeded) {
					h.count(shakeRefused, 1)
				}
				c.Close()
			}()
			return nil
		}
		h.pace(ctx, 8, stalledASec, func(int, int) error { return begin() })
		h.insist(shakeRefused, shakesMost, func(int) error { return begin() })
	}, err
}

// leavesShakes looks whether the attacker's handshakes were bounded and are gone.
func leavesShakes(n *node, _ report) error {
	busy, err := n.metric("stentor_refusals_total")
	if err != nil || busy == 0 {
		return fmt.Errorf("no handshake was refused: %v", err)
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		under, err := n.metric("stentor_tls_handshakes_under_way")
		if err != nil || under == 0 {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("%v handshakes are under way", under)
		}
	}
}
