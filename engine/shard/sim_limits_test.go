package shard

import (
	"slices"
	"time"

	"stentor/engine/session"
	"stentor/stomp"
)

// simLimits are the limits of a world's nodes.
type simLimits struct {
	machine  session.Config
	shard    Limits
	slow     time.Duration
	pending  int64 // bytes of a project needed by rounds, at which a node stops reading it
	sessions int64 // bytes that sessions hold in sum; 0 any
}

// allowed returns the limits of the world: the defaults, small ones that clients reach all the time, or large ones that are reached
// only on purpose.
func (p *profile) allowed() (a simLimits) {
	a = simLimits{
		machine: session.Config{
			HandshakeBytes: 2048, ConnectFrameBytes: 16384, FrameBytes: 65536, Headers: 64, HeaderBytes: 16384,
			IDBytes: 128, DestinationBytes: 1024, Unanswered: p.Unanswered, InputBytes: 1 << 20, TransactionBytes: 1 << 20,
			Sends: 1000, Receives: 1000,
		},
		shard: Limits{
			HandshakeTimeout: 2 * time.Second, ConnectTimeout: 4 * time.Second, Ping: 3 * time.Second,
			FramesPerSecond: 1_000_000, Subscriptions: 10, Patterns: 100, PatternSteps: 400, UserPatternSteps: 100, ReplyBytes: 4096,
		},
		slow: 2 * time.Second, pending: 64 << 20,
	}
	switch p.Limits {
	case "installed":
		a.machine.HandshakeBytes, a.machine.InputBytes, a.machine.TransactionBytes = 8192, 256<<10, 256<<10
		a.machine.Sends, a.machine.Receives = 10_000, 10_000
		a.shard = Limits{
			HandshakeTimeout: 10 * time.Second, ConnectTimeout: 60 * time.Second, Ping: 30 * time.Second,
			FramesPerSecond: 200, Subscriptions: 100, Patterns: 1000, PatternSteps: 4000, UserPatternSteps: 500, ReplyBytes: 64 << 10, SlowBytes: 32 << 20,
		}
		a.slow, a.pending, a.sessions = 30*time.Second, 32<<20, 512<<20
	case "small":
		a.machine.FrameBytes, a.machine.HeaderBytes, a.machine.InputBytes, a.machine.TransactionBytes = 4096, 2048, 1024, 4096
		a.shard.FramesPerSecond, a.shard.Patterns, a.shard.ReplyBytes, a.shard.SlowBytes = 100, 3, 512, 100_000
		a.slow, a.pending, a.sessions = time.Second, 20_000, 16<<10
	}
	return a
}

// paceTime is how long a frame may count against the rate of a client: on its way, while it waits, and in the bucket.
const paceTime = 5 * second

// pace notes that a frame of n bytes is sent, and which limits the client may have reached.
func (l *simLink) pace(n int) {
	w := l.w
	allowed := w.profile.allowed()
	l.paced = append(l.paced, w.now)
	if l.frames() >= 2*allowed.shard.FramesPerSecond {
		l.risk("too many frames a second")
	}
	if l.quiet() {
		l.inputBytes = 0
	}
	if l.c.form == session.SockJS {
		n = 2*n + len(`["",""]`) // with its escapes
	}
	if l.inputBytes += n; l.inputBytes > allowed.machine.InputBytes {
		l.risk("too much waits for answers")
	}
}

// frames is how many frames may count against the client's rate.
func (l *simLink) frames() int {
	for len(l.paced) > 0 && l.paced[0] < l.w.now-paceTime {
		l.paced = l.paced[1:]
	}
	return len(l.paced)
}

// hurried reports whether one more frame might exceed the client's rate.
func (l *simLink) hurried() bool { return l.frames() > l.w.profile.allowed().shard.FramesPerSecond }

// risk notes that the server may, but need not, close the connection for a limit.
func (l *simLink) risk(why string) {
	l.risks = session.CodeLimit
	l.excuse("risks: " + why)
}

// riskPattern checks whether a subscription to a pattern may be one too many for the project.
func (l *simLink) riskPattern(f *feed) {
	if f.pattern == nil {
		return
	}
	var all []string
	for _, c := range l.w.clients {
		feeds := c.feeds
		if c.link != nil {
			feeds = slices.Concat(feeds, c.link.feeds)
		}
		for _, other := range feeds {
			if c.topic == l.c.topic && other.pattern != nil && !slices.Contains(all, other.dest) {
				all = append(all, other.dest)
			}
		}
	}
	if len(all) > l.w.profile.allowed().shard.Patterns {
		l.risk("too many patterns")
	}
}

// burst sends many frames at once. ACKs wait behind them, so that the client may count as slow.
func (l *simLink) burst(o *op) bool {
	l.excuse("its ACKs wait behind its SENDs")
	for range o.Count {
		b := l.body()
		l.owed[b] = true
		var e *expect
		if o.Receipt {
			e = &expect{bodies: []string{b}}
		}
		l.send(stomp.Send, b, e, "destination", o.Dest)
	}
	return o.Count > 0
}

// wait lets time pass in which clients and nodes progress.
func (w *world) wait(o *op) bool {
	for end := w.now + int64(o.For); w.now < end && w.err == nil; {
		w.pass(tickTime / 2)
		w.favour(w.seed+1, byTime)
		w.pump()
	}
	return true
}

// flood publishes more small pushes than one scan of history covers. With Kind "many" each goes to a destination of
// its own.
func (w *world) flood(o *op) bool {
	t := of(w.topics, o.Project)
	if t == nil {
		return false
	}
	dests := w.profile.dests()
	for i := range o.Count {
		r := t.record(o.Size, "")
		r.Destination = dests[i%len(dests)]
		switch {
		case o.Kind == "many":
			r.Destination = "/topic/f/" + string(r.Body[len(t.name)+1:len(r.Body)-1])
		case o.Dest != "":
			r.Destination, r.User = o.Dest, o.User
		}
		t.publish(r)
	}
	return o.Count > 0
}
