package load

import (
	"context"
	"fmt"
	"time"

	"stentor/bench/gen/client"
	"stentor/bench/gen/pace"
)

// scenario runs the phases of r.Scenario.
func (r *run) scenario(ctx context.Context) error {
	switch r.Scenario {
	case "connect":
		return r.phases(ctx, r.openAll(), step{"hold", r.hold})
	case "broadcast", "topics":
		return r.phases(ctx, r.openAll(), step{"push", r.pushToAll}, step{"settle", r.settle})
	case "users":
		return r.phases(ctx, r.openAll(), step{"push", func(ctx context.Context) error {
			return r.feed(ctx, r.Rate, r.Duration, r.toUsers())
		}}, step{"settle", r.settle})
	case "churn":
		return r.phases(ctx, r.openAll(), step{"churn", func(ctx context.Context) error {
			return together(ctx, r.pushToAll, r.churnAll)
		}}, step{"back", r.back}, step{"settle", r.settle})
	case "reconnect":
		return r.reconnect(ctx)
	case "slow":
		return r.slow(ctx)
	case "soak":
		return r.phases(ctx, r.openAll(), step{"soak", func(ctx context.Context) error {
			users := func(ctx context.Context) error { return r.feed(ctx, r.UserRate, r.Duration, r.toUsers()) }
			if r.streams.queue == "" {
				return together(ctx, r.pushToAll, r.churnAll)
			}
			return together(ctx, r.pushToAll, users, r.churnAll)
		}}, step{"back", r.back}, step{"settle", r.settle})
	case "stages":
		return r.stages(ctx)
	case "million":
		return r.million(ctx)
	}
	return fmt.Errorf("there is no scenario %q", r.Scenario)
}

// step is one phase.
type step struct {
	name string
	do   func(context.Context) error
}

func (r *run) phases(ctx context.Context, all ...step) error {
	for _, s := range all {
		if err := r.phase(ctx, s.name, s.do); err != nil {
			return err
		}
	}
	return nil
}

// openAll opens all connections; from then on those that the server ends are reopened.
func (r *run) openAll() step {
	return step{"open", func(ctx context.Context) error { return r.openFirst(ctx, r.Connections) }}
}

func (r *run) openFirst(ctx context.Context, n int) error {
	if err := r.open(ctx, client.Reading, n); err != nil {
		return err
	}
	if !r.Receipts {
		// Nothing shows when the server has handled the last SUBSCRIBE.
		if err := pace.Wait(ctx, quiet); err != nil {
			return err
		}
		r.clients.Follow(r.newest)
	}
	r.keep(n)
	return nil
}

// quiet is how long a server without receipts may take for the last SUBSCRIBEs.
const quiet = 2 * time.Second

func (r *run) hold(ctx context.Context) error { return pace.Wait(ctx, r.Hold) }

func (r *run) pushToAll(ctx context.Context) error {
	if !r.streams.topic {
		return pace.Wait(ctx, r.Duration)
	}
	return r.feed(ctx, r.Rate, r.Duration, r.toAll())
}

func (r *run) churnAll(ctx context.Context) error { return r.churn(ctx, r.ChurnRate, r.Duration) }

// reconnect drops a share of the connections, which reconnect after --hold, while pushes continue. A third of --duration
// comes before that, and a third after.
func (r *run) reconnect(ctx context.Context) error {
	gone := max(1, int(float64(r.Connections)*r.DropShare))
	pushes, stop := context.WithCancel(ctx)
	defer stop()
	feeding := make(chan error, 1)
	limit := endless
	if r.Rate == 0 || !r.streams.topic {
		limit = 0
	}
	var f *feeder // nil until before has begun
	err := r.phases(ctx, r.openAll(),
		step{"before", func(ctx context.Context) error {
			f = r.newFeeder(pace.Rate(r.Rate), limit, r.toAll())
			go func() { feeding <- f.drive(pushes) }()
			return pace.Wait(ctx, time.Until(f.start.Add(r.Duration/3)))
		}},
		step{"away", func(ctx context.Context) error {
			if err := r.drop(gone); err != nil {
				return err
			}
			return r.hold(ctx)
		}},
		step{"back", func(ctx context.Context) error { return r.comeBack(ctx, gone) }},
		step{"after", func(ctx context.Context) error { return pace.Wait(ctx, r.Duration/3) }},
	)
	if f == nil {
		return err
	}
	if err == nil {
		err = f.end(ctx)
	}
	if err != nil {
		stop()
	}
	if fed := <-feeding; err == nil {
		err = fed
	}
	if err != nil {
		return err
	}
	return r.phase(ctx, "settle", r.settle)
}

// drop drops n connections and prevents their reopening.
func (r *run) drop(n int) error {
	r.balance.Lock()
	defer r.balance.Unlock()
	r.want.Add(int64(-n))
	return r.clients.Drop(client.Reading, n)
}

// comeBack reopens n connections, as fast as they were opened.
func (r *run) comeBack(ctx context.Context, n int) error {
	if err := r.begin(ctx, n, func(n int, due time.Time) { r.clients.Begin(client.Reading, n, due) }); err != nil {
		return err
	}
	r.keep(int(r.want.Load()) + n)
	return r.back(ctx)
}

// slow opens some connections that do not read as they should, and pushes to all.
func (r *run) slow(ctx context.Context) error {
	bad := int(float64(r.Connections) * r.SlowShare)
	kind := client.Silent
	if r.SlowKind == "slowly" {
		kind = client.Slow
	}
	return r.phases(ctx,
		step{"open", func(ctx context.Context) error { return r.openFirst(ctx, r.Connections-bad) }},
		step{"open slow", func(ctx context.Context) error {
			if bad == 0 {
				return nil
			}
			return r.open(ctx, kind, bad)
		}},
		step{"push", r.pushToAll}, step{"settle", r.settle})
}

// million proves that a node holds as many connections as it claims.
func (r *run) million(ctx context.Context) error {
	all := r.toAll()
	toEverybody := func(ctx context.Context) error {
		for i := range r.streams.projects {
			if err := r.push(ctx, all(i), time.Now()); err != nil {
				return err
			}
		}
		return r.settle(ctx)
	}
	gone := max(1, int(float64(r.Connections)*r.DropShare))
	steps := []step{r.openAll(), {"hold", r.hold}}
	for i := range r.Broadcasts {
		steps = append(steps, step{fmt.Sprintf("broadcast %d", i+1), toEverybody})
	}
	if r.streams.queue != "" {
		steps = append(steps, step{"users", func(ctx context.Context) error {
			users := r.toUsers()
			rate := max(r.Rate, 1)
			d := time.Duration(float64(r.Sample) / rate * float64(time.Second))
			if err := r.feed(ctx, rate, d, users); err != nil {
				return err
			}
			return r.settle(ctx)
		}})
		if r.Push == "api" {
			steps = append(steps, step{"kick", r.kick})
		}
	}
	steps = append(steps,
		step{"drop", func(ctx context.Context) error {
			if err := r.drop(gone); err != nil {
				return err
			}
			return r.seen(ctx)
		}},
		step{"away", toEverybody}, // those who are away get it when they come back
		step{"back", func(ctx context.Context) error { return r.comeBack(ctx, gone) }},
		step{"last broadcast", toEverybody},
	)
	if r.Leave > 0 {
		steps = append(steps, step{"leave", r.leave})
	}
	return r.phases(ctx, steps...)
}

// leave pushes to all and waits until the server has closed all connections, as it does when it is told to leave. The
// observer of the phases tells the server.
func (r *run) leave(ctx context.Context) error {
	r.want.Store(-1)
	r.clients.Leave(r.newest)
	all := r.toAll()
	for i := range r.streams.projects {
		if err := r.push(ctx, all(i), time.Now()); err != nil {
			return err
		}
	}
	for until := time.Now().Add(r.Leave); r.clients.Counts().Reading > 0; {
		if time.Now().After(until) {
			r.problems = append(r.problems, fmt.Sprintf("%d connections were open when the server had had %v to leave", r.clients.Counts().Reading, r.Leave))
			return nil
		}
		if err := pace.Wait(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// seen waits until the server has noticed the dropped connections: until the number of its connections has not changed for
// --hold, or for that long when its metrics cannot be read.
func (r *run) seen(ctx context.Context) error {
	last, since := r.stock.held(), time.Now()
	for until := since.Add(r.OpenTimeout); time.Since(since) < r.Hold && time.Now().Before(until); {
		if err := pace.Wait(ctx, min(r.Hold, 100*time.Millisecond)); err != nil {
			return err
		}
		if now := r.stock.held(); now != last {
			last, since = now, time.Now()
		}
	}
	return nil
}

// kick makes the server close the sessions of some users, who reconnect.
func (r *run) kick(ctx context.Context) error {
	x := r.streams
	n := min(r.Kicks, r.Connections)
	failed := func() int64 { c := r.clients.Counts(); return int64(c.Failed()) }
	before := failed()
	for i := range n {
		number := r.first + i*(r.Connections/n)
		user, err := x.userOf(number)
		if err != nil {
			return err
		}
		kicked, err := r.api.Kick(ctx, x.projects[x.project(number)], user)
		if err != nil {
			return err
		}
		if kicked != 1 {
			r.problems = append(r.problems, fmt.Sprintf("the server closed %d sessions of user %s, which has 1", kicked, user))
		}
		r.kicked.Add(int64(kicked))
	}
	// A session is gone once its client has been notified.
	for until := time.Now().Add(r.OpenTimeout); failed()-before < r.kicked.Load() && time.Now().Before(until); {
		if err := pace.Wait(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	if err := r.back(ctx); err != nil {
		return err
	}
	return r.settle(ctx)
}
