package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"stentor/bench/gen/client"
	"stentor/bench/gen/measure"
	"stentor/bench/machine/server"
	"stentor/bench/suite/report"
)

// latencyTarget is the 99th percentile in ms.
const latencyTarget = 10

// gather is how long the clients let readable data accumulate. Real clients are elsewhere and wake up on their own
// processors; here the server's writes would have to wake sleeping readers one by one.
const gather = time.Millisecond

// latency pushes at a steady rate to many clients of one topic and takes how late each message is read from a client's
// socket, from the time that its push was due. Runs in which a back end produces the records to Kafka itself (without
// linger) alternate with runs in which it posts to the server's HTTP API, which then produces. The result is the median
// of the runs' 99th percentiles, over all deliveries, so that it includes the wait of a broadcast's last clients.
//
// A third kind of run alternates with them: a bare write(2) loop that writes the same frames to as many clients, with no
// server and no Kafka. Its time is what this machine needs for that many writes and reads. Because that may be too much for
// a small machine, the same is first measured with few clients.
func (b *bench) latency(ctx context.Context, d *bed) (results []report.Result, err error) {
	err = b.serve(ctx, d, 0, func(ctx context.Context, s *server.Server) (err error) {
		c, err := b.crowd(s, b.Connections, func(o *client.Options) { o.Gather = gather })
		if err != nil {
			return err
		}
		defer c.Close()
		b.Progress.Step(c.live, "latency: opening %d connections", b.few())
		if err := c.open(ctx, b.few()); err != nil {
			return err
		}
		byHTTP := func(ctx context.Context, length time.Duration) (int, error) {
			back := server.Publisher{Server: s, Size: payloadBytes, Seq: d.seq}
			n, err := back.Paced(ctx, broadcastRate, length)
			d.seq = back.Seq
			return n, err
		}
		direct := func(ctx context.Context, length time.Duration) (int, error) {
			return d.broadcast(ctx, broadcastRate, length)
		}
		var few percentiles
		if _, err := c.late(ctx, b.plan.warm, direct); err != nil {
			return err
		}
		for i := range b.plan.runs {
			b.Progress.Step(c.live, "latency %d/%d: %d pushes a second produced to Kafka, %d connections", i+1, b.plan.runs, broadcastRate, b.few())
			if err := few.take(c.late(ctx, b.plan.latency, direct)); err != nil {
				return err
			}
		}
		b.Progress.Step(c.live, "latency: opening %d connections", b.Connections)
		if err := c.open(ctx, b.Connections-b.few()); err != nil {
			return err
		}
		b.Progress.Step(c.live, "latency: warming up")
		for _, push := range []pusher{direct, byHTTP} {
			if _, err := c.late(ctx, b.plan.warm, push); err != nil {
				return err
			}
		}
		loop, err := b.newBare(ctx, c.LastMessage())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, loop.close()) }()
		if _, err := loop.clients.late(ctx, b.plan.warm, loop.push); err != nil {
			return err
		}
		var produced, posted, bare percentiles
		for i := range b.plan.runs {
			b.Progress.Step(c.live, "latency %d/%d: %d pushes a second produced to Kafka", i+1, b.plan.runs, broadcastRate)
			if err := produced.take(c.late(ctx, b.plan.latency, direct)); err != nil {
				return err
			}
			b.Progress.Step(c.live, "latency %d/%d: %d pushes a second posted by HTTP (p99 produced %.1f ms)", i+1, b.plan.runs, broadcastRate, produced.p99[i])
			if err := posted.take(c.late(ctx, b.plan.latency, byHTTP)); err != nil {
				return err
			}
			b.Progress.Step(loop.clients.live, "latency %d/%d: the same by a bare write loop", i+1, b.plan.runs)
			if err := bare.take(loop.clients.late(ctx, b.plan.latency, loop.push)); err != nil {
				return err
			}
		}
		if err := loop.clients.check(); err != nil {
			return err
		}
		results = []report.Result{report.New("latency", "p99 from produce to the client's socket", "ms", produced.p99,
			slices.Concat(produced.details("produced"), posted.details("by HTTP"), bare.details("bare write loop, without Kafka"))...,
		).Most(latencyTarget), report.New("latency", fmt.Sprintf("the same to %d connections", b.few()), "ms", few.p99, few.details("produced")...).Most(latencyTarget)}
		return c.check()
	})
	return results, err
}

// pusher pushes to all clients for a while and returns how often.
type pusher func(context.Context, time.Duration) (int, error)

// late pushes for a while, waits until the clients have everything, and returns how late it came.
func (c *crowd) late(ctx context.Context, length time.Duration, push pusher) (measure.Summary, error) {
	c.ResetLatency()
	n, err := push(ctx, length)
	if err != nil {
		return measure.Summary{}, err
	}
	err = c.expect(ctx, int64(n)*int64(c.Counts().Reading))
	return c.Latency(), err
}

// percentiles are those of several runs, in ms.
type percentiles struct{ p50, p99, p999, most []float64 }

func (p *percentiles) take(s measure.Summary, err error) error {
	p.p50, p.p99 = append(p.p50, report.Millis(s.P50)), append(p.p99, report.Millis(s.P99))
	p.p999, p.most = append(p.p999, report.Millis(s.P999)), append(p.most, report.Millis(s.Most))
	return err
}

func (p *percentiles) details(way string) []report.Detail {
	return []report.Detail{
		report.With(way+", p50", "ms", p.p50...), report.With(way+", p99", "ms", p.p99...),
		report.With(way+", p99.9", "ms", p.p999...), report.With(way+", longest", "ms", p.most...),
	}
}
