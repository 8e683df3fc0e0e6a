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
	"stentor/engine/session"
	"stentor/engine/shard"
)

// Bus is what a Node needs of its bus.
type Bus interface {
	bus.Bus
	// SetProjects says which projects there are, at the start and at each reload. The bus tells the node where
	// each partition begins, now or later. It does not block.
	SetProjects([]bus.Topic)
	// Room answers nil when the bus has room for so many records of a project, so many bytes in all, bus.ErrBusy
	// otherwise.
	Room(project string, records, bytes int) error
	// Forward hands what a client sent to the back ends. done gets nil once the bus has it. It does not block.
	Forward(m *bus.Inbound, done func(error))
	// Ready is nil once the node has what it needs to serve clients, else it says what is missing.
	Ready() error
	// Behind is nil unless new clients had better go to another node, which takes pushes sooner: then it says why. The
	// node serves those who come all the same.
	Behind() error
}

// Node is one server process: its event loops with their shards, and what they share.
type Node struct {
	network
	opts     Options
	auth     *auth.Authenticator
	bus      Bus
	log      *slog.Logger
	start    time.Time
	instance uint32
	capacity int
	loops    []*loop
	listens  []Listener
	headers  headers // of the PROXY protocol

	reload    sync.Mutex
	tenants   atomic.Pointer[map[string]*project]
	budget    *shard.Budget // of what sessions hold
	strangers *shard.Share  // what connections hold that have not been authenticated
	sockets   atomic.Int64
	addresses addresses
	draining  atomic.Bool
	refusals  refusals

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
		headers:   headers{log: rate.Sometimes{First: 10, Interval: time.Second}},
		authFailures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stentor_auth_failures_total", Help: "CONNECTs that were refused, by code.",
		}, []string{"code"}),
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
	if n.capacity < opts.Limits.Connections {
		n.log.Warn("fewer connections than wanted: the process may not open more files", "limits.connections", opts.Limits.Connections, "possible", n.capacity,
			"see", fmt.Sprintf("stentor doctor --connections %d", opts.Limits.Connections))
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
func (n *Node) Start(b Bus) error {
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

// Drain leaves: no new clients, no new pushes; what was accepted is delivered; then clients are closed with 1012, in
// chunks, so that they do not all come to the next node at once. It ends when all are gone, or with ctx.
type Drain struct {
	Chunk    int           // clients closed at a time, over all loops
	Interval time.Duration // between chunks
}

// Stop drains the node and ends its loops. When ctx ends first, what is left is closed at once.
func (n *Node) Stop(ctx context.Context, d Drain) error {
	n.draining.Store(true)
	n.settle(ctx)
	n.closeClients(ctx, d)
	for n.sockets.Load() > 0 && pause(ctx, tickEvery) {
	}
	left := n.sockets.Load()
	stopping, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := n.close(stopping)
	close(n.stop)
	for _, l := range n.loops {
		l.watcher.stop()
	}
	n.wg.Wait()
	if left > 0 && err == nil {
		err = fmt.Errorf("%d connections were cut at the end of the drain", left)
	}
	return err
}

// stalled is how long nothing may reach those who are behind before a drain gives them up. Rounds and retries of
// subscriptions at their own pace come much more often.
const stalled = 2 * time.Second

// settle waits until everything accepted has been handed to those who take it, at once or at their own pace: for half
// of the time that there is, since other nodes may go on pushing.
func (n *Node) settle(ctx context.Context) {
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/2)
		defer cancel()
	}
	seen, moved := uint64(0), time.Now()
	for {
		busy, behind, delivered := false, false, uint64(0)
		for _, l := range n.loops {
			b, err := ask(ctx, l, (*shard.Shard).Busy)
			if err != nil {
				return
			}
			busy = busy || b
			stats := l.shard.Stats()
			behind = behind || stats.Detached.Load() > 0 || stats.Transfers.Load() > 0
			delivered += stats.Deliveries.Load() + stats.Pieces.Load()
		}
		if delivered != seen {
			seen, moved = delivered, time.Now()
		}
		if !busy && (!behind || time.Since(moved) > stalled) || !pause(ctx, tickEvery) {
			return
		}
	}
}

func (n *Node) closeClients(ctx context.Context, d Drain) {
	slots := make([]uint32, len(n.loops))
	done := make([]bool, len(n.loops))
	share := max(1, d.Chunk/len(n.loops))
	for left := len(n.loops); left > 0; {
		for i, l := range n.loops {
			if done[i] {
				continue
			}
			next, err := endSome(ctx, l, slots[i], share)
			if err != nil {
				return
			}
			if slots[i] = next; next == 0 {
				done[i] = true
				left--
			}
		}
		if left > 0 && !pause(ctx, d.Interval) {
			return
		}
	}
}

// endSome closes clients of a loop, step by step, and returns the slot to go on from.
func endSome(ctx context.Context, l *loop, slot uint32, n int) (uint32, error) {
	type part struct {
		ended int
		next  uint32
	}
	for {
		got, err := ask(ctx, l, func(s *shard.Shard) part {
			ended, next := s.EndSome(slot, n, session.CloseServiceLeaves, "the node is stopping, come back")
			return part{ended, next}
		})
		if err != nil {
			return slot, err
		}
		n -= got.ended
		if slot = got.next; slot == 0 || n <= 0 {
			return slot, nil
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
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
