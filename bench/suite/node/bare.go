package node

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"time"

	"stentor/bench/gen/client"
	"stentor/bench/gen/measure"
	"stentor/bench/suite"
	"stentor/bench/suite/baseline"
	"stentor/bench/suite/report"
)

// readFrame makes the server send one message, so that the bare loop can send the same bytes.
func (b *bench) readFrame(ctx context.Context) error {
	b.Progress.Step(nil, "a message, to see how long its frame is")
	return b.withRig(ctx, nil, func(ctx context.Context, r *suite.Rig) error {
		if err := r.Open(ctx, client.Reading, 1); err != nil {
			return err
		}
		// Some rounds, so that the message's id is as long as ids mostly are.
		const typical = 40
		if err := r.Rounds(ctx, typical); err != nil {
			return err
		}
		b.frame = r.Clients.LastMessage()
		if at := len(b.frame) - 1 - payloadBytes; at < 0 || !bytes.HasPrefix(b.frame[at:], measure.AppendPayload(nil, typical, 0, payloadBytes)[:16]) {
			return errors.New("the server's frame does not end with the payload and a NUL")
		}
		return nil
	})
}

// bareLoop is the bare write loop with as many connections as a server has.
type bareLoop struct {
	process *baseline.Process
	clients *client.Client
	frame   []byte
	seq     uint32
	total   int64
}

func (b *bench) withBare(ctx context.Context, connections int, f func(context.Context, *bareLoop) error) error {
	p, err := baseline.Start(b.Baseline())
	if err != nil {
		return err
	}
	c, err := client.New(client.Options{Addresses: []netip.AddrPort{p.Address}, Raw: true, Sources: client.Loopback(b.largePoint())})
	if err != nil {
		return errors.Join(err, p.Close())
	}
	opened := func() error {
		ctx, cancel := context.WithTimeout(ctx, openTimeout)
		defer cancel()
		return c.Open(ctx, client.Reading, connections)
	}
	w := &bareLoop{process: p, clients: c, frame: b.frame}
	if err = p.Accept(connections, opened); err == nil {
		err = f(ctx, w)
	}
	if err == nil {
		r := suite.Rig{Clients: c}
		err = r.Check()
	}
	err = errors.Join(err, p.Close())
	c.Close()
	return err
}

// round writes n messages to every connection and waits until all of them have come.
func (w *bareLoop) round(ctx context.Context, n int, call baseline.Call) (baseline.Burst, error) {
	var frames []byte
	for range n {
		w.seq++
		frames = append(frames, w.frame[:len(w.frame)-1-payloadBytes]...)
		frames = measure.AppendPayload(frames, w.seq, time.Now().UnixNano(), payloadBytes)
		frames = append(frames, 0)
	}
	burst, err := w.process.Write(frames, len(w.frame), call)
	if err != nil {
		return burst, err
	}
	w.total += int64(burst.Writes)
	ctx, cancel := context.WithTimeout(ctx, deliverTimeout)
	defer cancel()
	return burst, w.clients.WaitDelivered(ctx, w.total)
}

// cost runs rounds until they have used so much CPU time, and returns what one write costs, in us.
func (w *bareLoop) cost(ctx context.Context, cpu time.Duration, call baseline.Call) (float64, error) {
	for range warmUp {
		if _, err := w.round(ctx, 1, call); err != nil {
			return 0, err
		}
	}
	var sum baseline.Burst
	for sum.CPU < cpu {
		burst, err := w.round(ctx, 1, call)
		if err != nil {
			return 0, err
		}
		sum.CPU += burst.CPU
		sum.Writes += burst.Writes
	}
	return report.Micros(sum.CPU) / float64(sum.Writes), nil
}

// bareCosts is what one write costs, in us, by both ways to call it.
type bareCosts struct{ wrapped, raw float64 }

// bareCosts opens connections to a bare loop and measures the cost of a write to them.
func (b *bench) bareCosts(ctx context.Context, cpu time.Duration) (c bareCosts, err error) {
	err = b.withBare(ctx, b.Connections, func(ctx context.Context, w *bareLoop) (err error) {
		if c.wrapped, err = w.cost(ctx, cpu, baseline.Wrapped); err != nil {
			return err
		}
		c.raw, err = w.cost(ctx, cpu/2, baseline.Raw)
		return err
	})
	return c, err
}
