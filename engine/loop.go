package engine

import (
	"context"
	"net/netip"
	"sync/atomic"

	"github.com/panjf2000/gnet/v2"

	"stentor/engine/shard"
	"stentor/engine/ws"
)

// loop is one event loop and its shard.
type loop struct {
	node  *Node
	shard *shard.Shard

	el      atomic.Pointer[gnet.EventLoop] // nil until the loop is known
	waking  atomic.Bool                    // a run is on its way to the loop
	ticking atomic.Bool                    // a tick is
	again   chan struct{}                  // the loop has more to do, once its sockets are served

	runTask, tickTask gnet.Runnable
}

func newLoop(n *Node, conf shard.Config) *loop {
	l := &loop{node: n, again: make(chan struct{}, 1)}
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

// loopOf is the loop that gnet's el runs. The first connection of an el gets it a shard.
func (n *Node) loopOf(el gnet.EventLoop) *loop {
	for _, l := range n.loops {
		if bound := l.el.Load(); bound != nil && *bound == el {
			return l
		}
	}
	for _, l := range n.loops {
		if l.el.CompareAndSwap(nil, &el) {
			l.waking.Store(false)
			l.wake()
			return l
		}
	}
	panic("more event loops than shards")
}

// marker is the context of a connection that only brings an event loop to its shard.
type marker struct{}

// OnOpen implements gnet.EventHandler.
func (n *Node) OnOpen(c gnet.Conn) ([]byte, gnet.Action) {
	l := n.loopOf(c.EventLoop())
	if _, ok := c.Context().(marker); ok {
		return nil, gnet.None
	}
	at, local := peer(c)
	proxied := n.wantsHeader(c)
	switch {
	case n.sockets.Add(1) > int64(n.capacity)+headroom:
		c.SetContext(refused{})
		n.overflow.Add(1)
		return unavailable, gnet.Close
	case proxied && !n.trusts(at.Addr()):
		c.SetContext(refused{})
		n.refuseHeader(c, &n.headers.untrusted, "not one of listen.trusted_proxies")
		return nil, gnet.Close
	}
	tune(c, local)
	conn := l.shard.Open(c, at)
	if proxied {
		c.SetContext(&awaited{conn: conn})
	} else {
		c.SetContext(conn)
	}
	return nil, gnet.None
}

// refused is the context of a connection that was closed as soon as it was accepted.
type refused struct{}

var unavailable = ws.Unavailable.AppendTo(nil)

// OnTraffic implements gnet.EventHandler.
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

// OnClose implements gnet.EventHandler. It may run inside a Write.
func (n *Node) OnClose(c gnet.Conn, _ error) gnet.Action {
	switch conn := c.Context().(type) {
	case *shard.Conn:
		n.sockets.Add(-1)
		n.loopOf(c.EventLoop()).shard.Gone(conn)
	case *awaited:
		n.sockets.Add(-1)
		n.loopOf(c.EventLoop()).shard.Gone(conn.conn)
	case refused:
		n.sockets.Add(-1)
	}
	return gnet.None
}

// OnShutdown implements gnet.EventHandler.
func (n *Node) OnShutdown(gnet.Engine) {}

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

func (e *env) Panicked(where string, reason any) { e.node.panicked(where, reason) }

func (e *env) Admit(r *ws.Request, peer shard.Peer) (shard.Admission, *ws.Refusal) {
	return e.node.admit(r, peer)
}

func (e *env) Release(address netip.AddrPort) { e.node.addresses.leave(address.Addr()) }
