package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"stentor/bench/machine/server"
	"stentor/bench/suite/report"
)

// answerCostTarget is how many times the CPU of a refused handshake an answer may cost.
const answerCostTarget = 1.5

// answers compares what a node spends on a request for /v1/endpoints at its client port, which its loops answer, with what it
// spends on a handshake that it refuses. Each has a connection of its own, and an address of its own: the node bounds how often
// one address may ask. Samples of both alternate.
func (b *bench) answers(ctx context.Context) (results []report.Result, err error) {
	err = b.withNodes(ctx, "answers", setup{}, func(ctx context.Context, n *nodes) error {
		s := n.list()[0]
		q := &questions{to: s.Client}
		const answered, refused = "HTTP/1.1 200 ", "HTTP/1.1 404 "
		ask := "GET /v1/endpoints?n=3 HTTP/1.1\r\nHost: " + s.Client.String() + "\r\n\r\n"
		shake := "GET /nothing HTTP/1.1\r\nHost: " + s.Client.String() + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
		var ratios, asked, shaken []float64
		for i := range b.plan.costs + 1 {
			b.Progress.Step(nil, "answers %d/%d: %d of each kind", i, b.plan.costs, b.plan.each)
			a, err := q.cost(ctx, s, ask, answered, b.plan.each)
			if err != nil {
				return err
			}
			r, err := q.cost(ctx, s, shake, refused, b.plan.each)
			if err != nil {
				return err
			}
			if i == 0 {
				continue // warms up
			}
			ratios, asked, shaken = append(ratios, a/r), append(asked, a), append(shaken, r)
		}
		results = []report.Result{report.New("answers", "CPU of an answer in the loop, against a refused handshake", "times", ratios,
			report.With("answer", "us", asked...), report.With("refused handshake", "us", shaken...)).Most(answerCostTarget)}
		return nil
	})
	return results, err
}

// questions are asked of one node.
type questions struct {
	to   netip.AddrPort
	next atomic.Uint32
}

// askersAtOnce is how many wait for an answer at the same time.
const askersAtOnce = 4

// cost asks n times and returns the microseconds of CPU that the node took for each.
func (q *questions) cost(ctx context.Context, s *server.Server, text, want string, n int) (micros float64, err error) {
	before, err := s.CPU()
	if err != nil {
		return 0, err
	}
	var all sync.WaitGroup
	errs := make([]error, askersAtOnce)
	for i := range askersAtOnce {
		all.Go(func() {
			for range n / askersAtOnce {
				if errs[i] = q.ask(ctx, text, want); errs[i] != nil {
					return
				}
			}
		})
	}
	all.Wait()
	after, err := s.CPU()
	return report.Micros(after-before) / float64(n/askersAtOnce*askersAtOnce), errors.Join(append(errs, err)...)
}

// ask asks from an address that has not asked before.
func (q *questions) ask(ctx context.Context, text, want string) error {
	i := q.next.Add(1)
	from := netip.AddrFrom4([4]byte{127, 100 + byte(i>>16), byte(i >> 8), byte(i)})
	d := net.Dialer{Timeout: askTimeout, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
	c, err := d.DialContext(ctx, "tcp4", q.to.String())
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(askTimeout)) // of a socket that is open
	if _, err := io.WriteString(c, text); err != nil {
		return err
	}
	got, err := io.ReadAll(io.LimitReader(c, 1<<16))
	if err != nil {
		return err
	}
	if !strings.HasPrefix(string(got), want) {
		return fmt.Errorf("the node answered %q", got)
	}
	return nil
}
