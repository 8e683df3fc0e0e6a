package engine

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"stentor/engine/auth"
	"stentor/engine/bus"
	"stentor/engine/refusal"
	"stentor/engine/shard"
)

// Node is one server process: its event loops with their shards, and what they share.
type Node struct {
	network
	opts     Options
	auth     *auth.Authenticator
	bus      bus.Bus
	log      *slog.Logger
	start    time.Time
	instance uint32
	capacity int
	loops    []*loop
	listens  []Listener

	reload    sync.Mutex
	tenants   atomic.Pointer[map[string]*project]
	budget    *shard.Budget // of what sessions hold
	strangers *shard.Share  // what connections hold that have not been authenticated
	sockets   atomic.Int64
	addresses addresses
	draining  atomic.Bool
	refusals  *refusal.Log

	stop chan struct{} // ends ticker and relays
	wg   sync.WaitGroup

	panicLog     rate.Sometimes
	authFailures *prometheus.CounterVec
}

// New makes a node that does not listen yet. The caller gives it its bus before Start.
func New(opts Options, authenticator *auth.Authenticator) (*Node, error) {
	n := &Node{
		network:   newNetwork(opts.Log),
		opts:      opts,
		auth:      authenticator,
		log:       opts.Log,
		start:     time.Now(),
		stop:      make(chan struct{}),
		addresses: newAddresses(opts.Limits),
		panicLog:  rate.Sometimes{First: 10, Interval: time.Second},
		refusals:  opts.Refusals,
		authFailures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stentor_auth_failures_total", Help: "CONNECTs that were refused, by code.",
		}, []string{"code"}),
	}
	if n.refusals == nil {
		n.refusals = refusal.NewLog(opts.Log)
	}
	if opts.Shard.Ping == 0 {
		n.keepAlive = keepAliveTime // clients without heart-beats get no pings either
	}
	n.tenants.Store(&map[string]*project{})
	n.budget = shard.NewBudget(opts.Limits.SessionBytes)
	n.strangers = shard.NewBudget(opts.strangersBudget()).Share(0)
	n.opts.TrustedProxies = append(slices.Clip(opts.TrustedProxies), localPeer)
	for _, text := range opts.Listen {
		l, err := ParseListener(text)
		if err != nil {
			return nil, err
		}
		n.listens = append(n.listens, l)
	}
	loops := opts.Loops
	if loops == 0 {
		loops = runtime.GOMAXPROCS(0)
	}
	loops = min(loops, maxLoops)
	var err error
	if n.capacity, err = capacity(opts.Limits.Connections, opts.Limits.ReservedDescriptors+(2+watcherDescriptors)*loops+len(n.listens)+1); err != nil {
		return nil, err
	}
	switch see := fmt.Sprintf("stentor doctor --connections %d", opts.Limits.Connections); {
	case opts.Limits.AsManyAsFit:
		n.log.Info("as many connections as memory and descriptors allow", "possible", n.capacity, "fit_into_memory", opts.Limits.Connections, "see", see)
	case n.capacity < opts.Limits.Connections:
		n.log.Warn("fewer connections than wanted: the process may not open more files", "limits.connections", opts.Limits.Connections, "possible", n.capacity, "see", see)
	}
	var seed [12]byte
	_, _ = rand.Read(seed[:])
	n.instance = binary.BigEndian.Uint32(seed[8:])
	for i := range loops {
		n.loops = append(n.loops, newLoop(n, shard.Config{
			Index: i, Instance: n.instance, Seed: binary.BigEndian.Uint64(seed[:8]),
			Session: opts.Session, Limits: opts.Shard, Credentials: opts.credentials(), Strangers: n.strangers, Now: n.now, Wall: time.Now,
		}))
	}
	return n, nil
}

// now is the node's clock in ns.
func (n *Node) now() int64 { return int64(time.Since(n.start)) }

// maxLoops is how many loops there can be: the id of a session names its loop in one byte.
const maxLoops = 256

// Start listens, and returns when clients can connect. b carries the pushes; Deliver of this node must be its sink.
func (n *Node) Start(b bus.Bus) error {
	n.bus = b
	n.SetProjects(n.opts.Projects)
	if err := n.boot(); err != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		n.draining.Store(true)
		err = errors.Join(err, n.close(ctx))
		for _, l := range n.loops {
			l.watcher.close()
		}
		return err
	}
	n.background()
	return nil
}

func (n *Node) boot() error {
	for _, l := range n.loops {
		if err := l.watcher.open(); err != nil {
			return fmt.Errorf("cannot watch sockets: %w", err)
		}
	}
	if err := n.listen(n, n.listens, len(n.loops), n.log); err != nil {
		return err
	}
	for i, l := range n.loops {
		l.bind(n.doors[i].el)
	}
	return n.accept()
}

// tickEvery is how often shards see time pass that have subscriptions to try again; for the deadlines and heart-beats of
// the others every restTicks-th tick will do, and an idle node sleeps.
const (
	tickEvery = 20 * time.Millisecond
	restTicks = 5
)

func (n *Node) background() {
	for _, l := range n.loops {
		n.wg.Go(func() { l.relay(n.stop) })
		n.wg.Go(func() { l.watcher.run(l.shard.Writable) })
	}
	n.wg.Go(func() {
		ticker := time.NewTicker(tickEvery)
		defer ticker.Stop()
		for i := 0; ; i++ {
			select {
			case <-ticker.C:
			case <-n.stop:
				return
			}
			for _, l := range n.loops {
				if i%restTicks == 0 || l.shard.Stats().Detached.Load() > 0 {
					l.tick()
				}
			}
			if i%50 == 0 {
				n.evict()
			}
		}
	})
}

func (n *Node) evict() {
	now := n.now()
	for _, p := range *n.tenants.Load() {
		p.history.EvictOlder(now)
	}
}

// ErrEngine means that the event loops ended without being asked.
var ErrEngine = errors.New("the network engine ended unexpectedly")

// Err is why the event loops ended, after Ended.
func (n *Node) Err() error {
	if err := n.failure(); err != nil {
		return err
	}
	if !n.draining.Load() {
		return ErrEngine
	}
	return nil
}

func (n *Node) panicked(where string, reason any) {
	n.panicLog.Do(func() {
		n.log.Error("recovered from a panic", "where", where, "reason", fmt.Sprint(reason), "stack", string(debug.Stack()))
	})
}

func binaryRandom() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return binary.BigEndian.Uint64(b[:])
}
