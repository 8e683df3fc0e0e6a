package kafka

import (
	"context"
	"errors"
	"sync"
	"time"

	"stentor/bench/gen/client"
	"stentor/bench/gen/pace"
	"stentor/bench/machine/server"
	"stentor/bench/suite/report"
)

const (
	// lagTarget is the most seconds of load in transit.
	lagTarget = 1.0
	// rateTarget is the share of the rate that must be reached for the other figures to be meaningful.
	rateTarget = 0.98
)

// lagGauge is the metric of records in Kafka that the server has not read.
const lagGauge = "stentor_kafka_lag"

// unicast produces records to Kafka at a high rate, each for the queue of one user, the users in turn, and checks that
// each user gets all of his, in order: by the number in the record, which counts for each user, and by how many came in
// all. Every user has one connection with a token of its own.
//
// The lag is looked at twice a second: the records that were produced and are not yet read by their clients, and, as a
// part of that, what the server says it has not read from Kafka. CPU per record is that of the server's process, from
// before the first record to after the last has come, with the cost of what it does for Kafka's client library in it.
func (b *bench) unicast(ctx context.Context, d *bed) (results []report.Result, err error) {
	err = b.serve(ctx, d, 0, func(ctx context.Context, s *server.Server) error {
		c, err := b.crowd(s, b.Users, func(o *client.Options) {
			o.Subscriptions, o.Headers = []string{server.Queue}, b.Credentials.Token
		})
		if err != nil {
			return err
		}
		defer c.Close()
		b.Progress.Step(c.live, "unicast: opening connections of %d users", b.Users)
		if err := c.open(ctx, b.Users); err != nil {
			return err
		}
		names := make([]string, b.Users)
		for i := range names {
			names[i] = server.User(i)
		}
		next := 0
		produce := func(ctx context.Context, length time.Duration) (int, error) {
			return paced(ctx, unicastRate, length, func(due time.Time) error {
				r := record{destination: queueOfUser, user: names[next%b.Users], seq: uint32(next/b.Users) + 1, due: due, size: payloadBytes}
				next++
				return d.back.produce(ctx, r)
			})
		}
		b.Progress.Step(c.live, "unicast: warming up")
		n, err := produce(ctx, b.plan.warm)
		if err != nil {
			return err
		}
		if err := c.expect(ctx, int64(n)); err != nil {
			return err
		}
		c.ResetLatency()
		cpu, err := s.CPU()
		if err != nil {
			return err
		}
		userCPU, err := s.UserCPU()
		if err != nil {
			return err
		}
		b.Progress.Step(c.live, "unicast: %d records a second for %v", unicastRate, b.plan.unicast)
		lag := watchLag(ctx, s, func() int64 { return d.back.produced.Load() - c.Delivered() })
		start := time.Now()
		n, err = produce(ctx, b.plan.unicast)
		if err == nil {
			err = d.back.flush(ctx)
		}
		took := time.Since(start)
		if err != nil {
			lag.stop()
			return err
		}
		// Missing records are counted; they are not an error.
		if err := c.expect(ctx, int64(n)); err != nil && context.Cause(ctx) != nil {
			lag.stop()
			return err
		}
		if err := lag.stop(); err != nil {
			return err
		}
		cpuNow, err := s.CPU()
		if err != nil {
			return err
		}
		userNow, err := s.UserCPU()
		if err != nil {
			return err
		}
		got := c.Counts()
		missing := c.total - got.Delivered
		wrong := max(missing, got.Order.Lost) + got.Order.Repeated + got.Order.Reordered + got.Order.Corrupted
		for _, lost := range got.Failures {
			wrong += int64(lost)
		}
		late := c.Latency()
		rate := float64(n) / max(took, b.plan.unicast).Seconds()
		results = []report.Result{
			report.New("unicast", "messages lost, repeated, reordered, corrupted; connections lost", "", []float64{float64(wrong)},
				report.With("records", "", float64(c.total)),
				report.With("server CPU per record", "us", report.Micros(cpuNow-cpu)/float64(n)),
				report.With("of it in user mode", "us", report.Micros(userNow-userCPU)/float64(n)),
				report.With("from produce to the client's socket, p50", "ms", report.Millis(late.P50)),
				report.With("p99", "ms", report.Millis(late.P99)),
				report.With("p99.9", "ms", report.Millis(late.P999)),
			).Most(0),
			report.New("unicast", "records a second that Kafka has acknowledged", "/s", []float64{rate}).Least(rateTarget * unicastRate),
			report.New("unicast", "largest lag, from produce to the clients", "s of load", []float64{float64(lag.all) / unicastRate},
				report.With("records on their way, most", "", float64(lag.all)),
				report.With("not yet read from Kafka, most", "", float64(lag.kafka)),
			).Most(lagTarget),
		}
		return nil
	})
	return results, err
}

// queueOfUser is server.Queue as a record names it.
const queueOfUser = "/queue/bench"

// lag is the most that was seen on its way.
type lag struct {
	all, kafka int64
	err        error
	cancel     context.CancelFunc
	done       sync.WaitGroup
}

const lagEvery = 500 * time.Millisecond

// watchLag samples onTheWay and the server's lag until it is stopped.
func watchLag(ctx context.Context, s *server.Server, onTheWay func() int64) *lag {
	ctx, cancel := context.WithCancel(ctx)
	l := &lag{cancel: cancel}
	l.done.Go(func() {
		for pace.Wait(ctx, lagEvery) == nil {
			l.all = max(l.all, onTheWay())
			unread, err := s.Metric(ctx, lagGauge)
			if err != nil && ctx.Err() == nil {
				l.err = errors.Join(l.err, err)
				return
			}
			l.kafka = max(l.kafka, unread)
		}
	})
	return l
}

// stop ends it; the numbers may then be read.
func (l *lag) stop() error {
	l.cancel()
	l.done.Wait()
	return l.err
}
