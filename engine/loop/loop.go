package loop

import (
	"context"
	"sync/atomic"

	"github.com/panjf2000/gnet/v2"

	"stentor/engine/certs"
	"stentor/engine/refusal"
	"stentor/engine/shard"
	"stentor/engine/tls13"
)

// Loop is one event loop and its shard. Its methods are the loop's part of shard.Env.
type Loop struct {
	server  *Server
	shard   *shard.Shard
	above   above // the shard
	watcher *watcher

	el      atomic.Pointer[gnet.EventLoop] // nil until the loop is known
	waking  atomic.Bool                    // a run is on its way to the loop
	ticking atomic.Bool                    // the same of a tick
	again   chan struct{}                  // the loop has more to do, once its sockets are served

	full  map[shard.Ref]*Lent // lent connections whose sockets take no more
	waits atomic.Bool         // there are some

	layer   *tls13.Layer // of connections over TLS; nil when no listener has it
	ciphers ciphers
	plain   []byte // scratch: what crypto/tls has opened
	sealed  []byte // scratch: what the layer has sealed

	runTask, tickTask gnet.Runnable
}

func newLoop(s *Server, index int) *Loop {
	w := newWatcher()
	l := &Loop{server: s, watcher: w, again: make(chan struct{}, 1)}
	l.shard = s.conf.NewShard(l, shard.Config{
		Index: index, Write: l.write, Offer: l.offer, Unsent: unsent, Watch: w.watch, Unwatch: w.unwatch,
	})
	l.above = l.shard
	if t := s.conf.TLS; t != nil {
		l.layer = tls13.NewLayer(t.CipherBytes / s.conf.Loops)
	}
	l.runTask = runnable(func() {
		l.waking.Store(false)
		l.run()
	})
	l.tickTask = runnable(func() {
		l.ticking.Store(false)
		l.shard.Tick()
		l.ciphers.publish(l.layer)
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
func (l *Loop) run() {
	if !l.shard.Run() {
		return
	}
	l.server.net.help()
	select {
	case l.again <- struct{}{}:
	default:
	}
}

// relay wakes the loop for its next slice, until stop is closed.
func (l *Loop) relay(stop <-chan struct{}) {
	for {
		select {
		case <-l.again:
			l.Wake()
		case <-stop:
			return
		}
	}
}

// Wake makes the loop run its shard. Any goroutine may call it; concurrent calls become one.
func (l *Loop) Wake() {
	if l.waking.CompareAndSwap(false, true) {
		l.execute(l.runTask, &l.waking)
	}
}

// tick makes the loop advance its clock, unless the previous tick is still waiting.
func (l *Loop) tick() {
	if l.ticking.CompareAndSwap(false, true) {
		l.execute(l.tickTask, &l.ticking)
	}
}

func (l *Loop) execute(task gnet.Runnable, pending *atomic.Bool) {
	el := l.el.Load()
	if el == nil {
		return // bind runs what waits
	}
	if (*el).Execute(context.Background(), task) != nil {
		pending.Store(false) // the engine is stopping
	}
}

// bind tells l which event loop it is, and makes it do the waiting work.
func (l *Loop) bind(el gnet.EventLoop) {
	l.el.Store(&el)
	l.waking.Store(false)
	l.Wake()
}

// write implements shard.Config.Write.
func (l *Loop) write(s shard.Socket, p []byte) (int, error) {
	if t := over(s); t != nil {
		return l.writeSecure(t, p)
	}
	if c, ok := s.(gnet.Conn); ok {
		return write(c, p)
	}
	return s.Write(p)
}

// offer implements shard.Config.Offer.
func (l *Loop) offer(s shard.Socket, p []byte) (int, error) {
	if t := over(s); t != nil {
		return l.offerSecure(t, p)
	}
	if v := virtual(s); v != nil {
		return v.Offer(p)
	}
	return offer(s.(gnet.Conn), p)
}

// CloseWrite sends FIN.
func (l *Loop) CloseWrite(s shard.Socket) {
	if t := over(s); t != nil {
		l.endSecure(t)
		return
	}
	if v := virtual(s); v != nil {
		v.CloseWrite()
		return
	}
	closeWrite(s.(gnet.Conn))
}

// Close closes within the loop: onClose runs inside.
func (l *Loop) Close(s shard.Socket, why refusal.Reason) {
	if v := virtual(s); v != nil {
		v.Close()
		return
	}
	c := raw(s)
	if t := over(s); t != nil {
		if why == refusal.HandshakeTimeout && (t.phase == helloPhase || t.phase == shakingPhase) {
			l.failed(t, certs.Timeout)
		}
		l.cut(t, certs.Ended)
	}
	_ = c.EventLoop().Close(c)
}

// virtual returns the socket of a session that has no connection of its own; nil for others.
func virtual(s shard.Socket) shard.Virtual {
	v, _ := s.(shard.Virtual)
	return v
}
