package engine

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
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
	"stentor/engine/loop"
	"stentor/engine/refusal"
	"stentor/engine/shard"
)

// Node is one server process: its event loops with their shards, and what they share.
type Node struct {
	server   *loop.Server
	shards   []*shard.Shard // one a loop
	opts     Options
	auth     *auth.Authenticator
	bus      bus.Bus
	log      *slog.Logger
	start    time.Time
	instance uint32
	capacity int

	reload    sync.Mutex
	tenants   atomic.Pointer[map[string]*project]
	budget    *shard.Budget // of what sessions hold
	strangers *shard.Share  // what connections hold that have not been authenticated
	sockets   atomic.Int64
	addresses addresses
	shaking   addresses // whose handshakes of TLS are under way
	users     *users
	draining  atomic.Bool
	emptying  emptying
	http      *overHTTP // nil when no endpoint has SockJS
	shedding  shedding
	refusals  *refusal.Log
	floors    *floors
	packing   *packing

	stop chan struct{} // ends the ticker, and makes the floors be written
	wg   sync.WaitGroup

	panicLog     rate.Sometimes
	authFailures *prometheus.CounterVec
}

// New makes a node that does not listen yet. The caller gives it its bus before Start.
func New(opts Options, authenticator *auth.Authenticator) (*Node, error) {
	n := &Node{
		opts:      opts,
		auth:      authenticator,
		log:       opts.Log,
		start:     time.Now(),
		stop:      make(chan struct{}),
		addresses: newAddresses(opts.Limits),
		shaking:   newAddresses(Limits{Unauthenticated: opts.Limits.Handshakes}),
		users:     newUsers(opts.Limits.SessionsPerUser),
		panicLog:  rate.Sometimes{First: 10, Interval: time.Second},
		refusals:  opts.Refusals,
		authFailures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stentor_auth_failures_total", Help: "CONNECTs that were refused, by code.",
		}, []string{"code"}),
	}
	if n.refusals == nil {
		n.refusals = refusal.NewLog(opts.Log)
	}
	n.packing = newPacking(n.now)
	if opts.packClock != nil {
		n.packing.now = opts.packClock
	}
	n.tenants.Store(&map[string]*project{})
	n.budget = shard.NewBudget(opts.Limits.SessionBytes)
	n.strangers = shard.NewBudget(opts.strangersBudget()).Share(0)
	n.opts.TrustedProxies = append(slices.Clip(opts.TrustedProxies), netip.PrefixFrom(loop.LocalPeer, loop.LocalPeer.BitLen()))
	var listeners []loop.Listener
	for _, text := range opts.Listen {
		l, err := loop.ParseListener(text)
		if err != nil {
			return nil, err
		}
		if l.TLS && opts.TLS == nil {
			return nil, fmt.Errorf("listen on %q: TLS needs a certificate", text)
		}
		listeners = append(listeners, l)
	}
	loops := opts.Loops
	if loops == 0 {
		loops = runtime.GOMAXPROCS(0)
	}
	loops = min(loops, maxLoops)
	var err error
	if n.capacity, err = loop.Capacity(opts.Limits.Connections, opts.Limits.ReservedDescriptors+loop.Descriptors(loops, len(listeners))); err != nil {
		return nil, err
	}
	switch see := fmt.Sprintf("stentor doctor --connections %d", opts.Limits.Connections); {
	case opts.Limits.AsManyAsFit:
		n.log.Info("as many connections as memory and descriptors allow", "possible", n.capacity, "fit_into_memory", opts.Limits.Connections, "see", see)
	case n.capacity < opts.Limits.Connections:
		n.log.Warn("fewer connections than configured: the process may not open more files", "limits.connections", opts.Limits.Connections, "possible", n.capacity, "see", see)
	}
	var seed [12]byte
	_, _ = rand.Read(seed[:])
	n.instance = binary.BigEndian.Uint32(seed[8:])
	n.server = loop.NewServer(loop.Config{
		Listeners: listeners, Loops: loops, Host: gate{n}, Log: opts.Log,
		TLS:       opts.TLS,
		LentBytes: opts.Session.HandshakeBytes + opts.bodyBytes() + lentSlack, LentTotal: opts.lentBudget(),
		KeepAlive: opts.Shard.Ping == 0, // then clients without heart-beats get no pings
		NewShard: func(l *loop.Loop, conf shard.Config) *shard.Shard {
			conf.Instance, conf.Seed = n.instance, binary.BigEndian.Uint64(seed[:8])
			conf.Session, conf.Limits, conf.Credentials, conf.Strangers = opts.Session, opts.Shard, opts.credentials(), n.strangers
			conf.Session.Elsewhere = n.elsewhere
			conf.Now, conf.Wall = n.now, time.Now
			s := shard.New(conf, &env{Loop: l, node: n})
			n.shards = append(n.shards, s)
			return s
		},
	})
	n.floors = openFloors(opts.StateDir, n.log)
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
	n.openHTTP()
	if err := n.server.Start(); err != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		n.draining.Store(true)
		err = errors.Join(err, n.server.Close(ctx), n.floors.close())
		n.closeHTTP()
		return err
	}
	n.wg.Go(n.tick)
	go n.floors.run(n)
	return nil
}

// Addresses are where clients connect over TCP, in the order of the configuration.
func (n *Node) Addresses() []netip.AddrPort { return n.server.Addresses() }

// Secure reports whether the listener of Addresses()[i] speaks TLS.
func (n *Node) Secure(i int) bool { return n.server.Secure(i) }

// Paths are the Unix sockets where clients connect, in the order of the configuration.
func (n *Node) Paths() []string { return n.server.Paths() }

// tickEvery is the interval of the ticks for shards with subscriptions to retry. The others need only every restTicks-th
// tick, for deadlines and heart-beats, so that an idle node sleeps.
const (
	tickEvery = 20 * time.Millisecond
	restTicks = 5
)

func (n *Node) tick() {
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	for i := 0; ; i++ {
		select {
		case <-ticker.C:
		case <-n.stop:
			return
		}
		n.server.Tick(i%restTicks == 0)
		if i%50 == 0 {
			n.evict()
		}
	}
}

func (n *Node) evict() {
	now := n.now()
	for _, p := range *n.tenants.Load() {
		p.history.EvictOlder(now)
	}
}

// Ended is closed when event loops have ended, asked or not; Err says why.
func (n *Node) Ended() <-chan struct{} { return n.server.Ended() }

// GarbageOfTLS is about how many bytes TLS has allocated since the start and does not need any more.
func (n *Node) GarbageOfTLS() uint64 { return n.server.Garbage() }

// Err is why the event loops ended, after Ended.
func (n *Node) Err() error {
	if err := n.server.Err(); err != nil {
		return err
	}
	if !n.draining.Load() {
		return loop.ErrEnded
	}
	return nil
}

func (n *Node) panicked(where string, reason any) {
	n.panicLog.Do(func() {
		n.log.Error("recovered from a panic", "where", where, "reason", fmt.Sprint(reason), "stack", string(debug.Stack()))
	})
}
