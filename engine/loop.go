package engine

import (
	"context"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/panjf2000/gnet/v2"

	"stentor/engine/refusal"
	"stentor/engine/shard"
	"stentor/engine/websocket"
)

// loop is one event loop and its shard.
type loop struct {
	node    *Node
	shard   *shard.Shard
	watcher *watcher

	el      atomic.Pointer[gnet.EventLoop] // nil until the loop is known
	waking  atomic.Bool                    // a run is on its way to the loop
	ticking atomic.Bool                    // a tick is
	again   chan struct{}                  // the loop has more to do, once its sockets are served

	runTask, tickTask gnet.Runnable
}

func newLoop(n *Node, conf shard.Config) *loop {
	w := newWatcher()
	l := &loop{node: n, watcher: w, again: make(chan struct{}, 1)}
	conf.Write, conf.Offer, conf.Unsent = write, offer, unsent
	conf.Watch, conf.Unwatch = w.watch, w.unwatch
	l.shard = shard.New(conf, &env{node: n, loop: l})
	l.runTask = runnable(func() {
		l.waking.Store(false)
		l.run()
	})
	l.tickTask = runnable(func() {
		l.ticking.Store(false)
		l.shard.Tick()
		l.run()
	})
	return l
}

type runnable func()

// Run implements gnet.Runnable.
func (r runnable) Run(context.Context) error {
	r()
	return nil
}

// run works for one slice. More work goes through the goroutine of relay: a task that posts itself would keep the
// loop from its sockets.
func (l *loop) run() {
	if !l.shard.Run() {
		return
	}
	l.node.help()
	select {
	case l.again <- struct{}{}:
	default:
	}
}

// relay wakes the loop for its next slice, until stop is closed.
func (l *loop) relay(stop <-chan struct{}) {
	for {
		select {
		case <-l.again:
			l.wake()
		case <-stop:
			return
		}
	}
}

// wake has the loop run its shard. Any goroutine may call it; wakes that meet become one.
func (l *loop) wake() {
	if l.waking.CompareAndSwap(false, true) {
		l.execute(l.runTask, &l.waking)
	}
}

// tick has the loop advance its clock, unless the tick before is still waiting.
func (l *loop) tick() {
	if l.ticking.CompareAndSwap(false, true) {
		l.execute(l.tickTask, &l.ticking)
	}
}

func (l *loop) execute(task gnet.Runnable, pending *atomic.Bool) {
	el := l.el.Load()
	if el == nil {
		return // bind runs what waits
	}
	if (*el).Execute(context.Background(), task) != nil {
		pending.Store(false) // the engine is stopping
	}
}

// bind tells l which event loop it is, and has it do what waits.
func (l *loop) bind(el gnet.EventLoop) {
	l.el.Store(&el)
	l.waking.Store(false)
	l.wake()
}

// loopOf is the loop that gnet's el runs.
func (n *Node) loopOf(el gnet.EventLoop) *loop { return n.loops[n.doorOf(el)] }

// arrive implements host.
func (n *Node) arrive(a *arrival) (answer []byte, ok bool) {
	if a.on.ProxyProtocol && !n.trusts(a.peer.Addr()) {
		n.refuseHeader(a.peer, refusal.ProxyUntrusted, "not one of listen.trusted_proxies")
		return nil, false
	}
	refused := websocket.Unavailable
	if n.sockets.Add(1) <= int64(n.capacity)+headroom {
		refused = n.addresses.arrive(a.peer.Addr(), !n.trusts(a.peer.Addr()))
	}
	if refused != nil {
		n.sockets.Add(-1)
		n.refuse(refused, a.peer)
		return answers[refused], false
	}
	return nil, true
}

// lost implements host.
func (n *Node) lost(a *arrival) {
	n.sockets.Add(-1)
	n.addresses.leave(a.peer.Addr(), !n.trusts(a.peer.Addr()), true)
}

// short implements host.
func (n *Node) short(peer netip.AddrPort) {
	n.refusals.Refuse(refusal.Record{Reason: refusal.Descriptors, Address: peer, Text: websocket.Unavailable.Text})
}

// open implements host.
func (n *Node) open(loop int, c gnet.Conn, a *arrival) {
	conn := n.loops[loop].shard.Open(c, a.peer)
	if a.on.ProxyProtocol {
		c.SetContext(&awaited{conn: conn, peer: a.peer})
	} else {
		c.SetContext(conn)
	}
}

// OnTraffic implements host.
func (n *Node) OnTraffic(c gnet.Conn) gnet.Action {
	in, err := c.Next(-1)
	if err != nil {
		return gnet.None
	}
	switch conn := c.Context().(type) {
	case *shard.Conn:
		n.loopOf(c.EventLoop()).shard.Input(conn, in)
	case *awaited:
		return n.header(c, n.loopOf(c.EventLoop()), conn, in)
	}
	return gnet.None
}

// OnClose implements host. It may run inside a Write.
func (n *Node) OnClose(c gnet.Conn, _ error) gnet.Action {
	switch conn := c.Context().(type) {
	case *shard.Conn:
		n.sockets.Add(-1)
		n.loopOf(c.EventLoop()).shard.Gone(conn)
	case *awaited:
		n.sockets.Add(-1)
		n.loopOf(c.EventLoop()).shard.Gone(conn.conn)
	}
	return gnet.None
}

// env is the node as a loop's shard sees it.
type env struct {
	node *Node
	loop *loop
}

func (e *env) Wake() { e.loop.wake() }

// CloseWrite sends FIN.
func (e *env) CloseWrite(s shard.Socket) { closeWrite(s.(gnet.Conn)) }

// Close closes within the loop: OnClose runs inside.
func (e *env) Close(s shard.Socket) {
	c := s.(gnet.Conn)
	_ = c.EventLoop().Close(c)
}

func (e *env) Refused(r refusal.Record) { e.node.refusals.Refuse(r) }

func (e *env) Panicked(where string, reason any) { e.node.panicked(where, reason) }

func (e *env) Admit(r *websocket.Request, peer shard.Peer) (shard.Admission, *websocket.Refusal) {
	return e.node.admit(r, peer)
}

func (e *env) Patience(quiet time.Duration) time.Duration { return e.node.addresses.patience(quiet) }

func (e *env) Known(address netip.AddrPort) {
	e.node.addresses.known(address.Addr(), !e.node.trusts(address.Addr()))
}

func (e *env) Release(address netip.AddrPort, stranger bool) {
	e.node.addresses.leave(address.Addr(), !e.node.trusts(address.Addr()), stranger)
}
