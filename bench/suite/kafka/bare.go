package kafka

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"time"

	"stentor/bench/gen/client"
	"stentor/bench/gen/measure"
	"stentor/bench/gen/pace"
	"stentor/bench/suite/baseline"
)

// bare is a process that only calls write(2), and its clients. It shows how late messages come without Kafka and a server:
// the time that this machine needs for that many writes and reads.
type bare struct {
	process *baseline.Process
	clients *crowd
	frame   []byte // of the server's, around a payload
	seq     uint32
}

func (b *bench) newBare(ctx context.Context, frame []byte) (*bare, error) {
	if at := len(frame) - 1 - payloadBytes; at < 0 || !bytes.HasPrefix(frame[at:], measure.AppendPayload(nil, 0, 0, 0)[:6]) {
		return nil, errors.New("the server's frame does not end with the payload and a NUL")
	}
	p, err := baseline.Start(b.Baseline())
	if err != nil {
		return nil, err
	}
	c, err := client.New(client.Options{Addresses: []netip.AddrPort{p.Address}, Raw: true, Gather: gather, Sources: client.Loopback(b.Connections)})
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	w := &bare{process: p, clients: &crowd{Client: c, patience: b.plan.patience}, frame: frame}
	if err := p.Accept(b.Connections, func() error { return w.clients.open(ctx, b.Connections) }); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

// push writes a frame to every connection at a steady rate.
func (w *bare) push(ctx context.Context, length time.Duration) (int, error) {
	return paced(ctx, pace.Rate(broadcastRate), length, func(due time.Time) error {
		w.seq++
		frame := measure.AppendPayload(w.frame[:len(w.frame)-1-payloadBytes], w.seq, due.UnixNano(), payloadBytes)
		w.frame = append(frame, 0)
		_, err := w.process.Write(w.frame, len(w.frame), baseline.Raw)
		return err
	})
}

func (w *bare) close() error {
	err := w.process.Close()
	w.clients.Close()
	return err
}
