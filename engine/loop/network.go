package loop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/panjf2000/gnet/v2"
	"github.com/panjf2000/gnet/v2/pkg/logging"
	"golang.org/x/time/rate"
)

// network is what lies below a Server or an Echo: the listeners, and gnet's event loops. gnet runs the loops and never
// sees a listener: a failing accept of its own would end them all.
type network struct {
	host      host
	acceptors []*acceptor
	files     []*socketFile
	client    *gnet.Client // gnet's name for loops without a listener
	doors     []*door      // one a loop
	next      atomic.Uint32
	room      chan struct{}            // a loop has let a connection in
	helps     []func(listener uintptr) // of each acceptor
	accepts   atomic.Bool              // the acceptors run
	closing   chan struct{}            // ends the acceptors
	accepting sync.WaitGroup
	spare     spare
	errs      acceptErrors

	ended  chan struct{} // closed when the loops have ended
	ending sync.Once
	err    error // why, once ended is closed
	// keepAlive is after how much silence the kernel checks whether a TCP peer is alive. It is 0, for never, where the
	// owner checks: a million idle connections at 2 minutes are 8,000 probes a second, each with its answer.
	keepAlive time.Duration
}

// keepAliveTime is network.keepAlive where nothing else detects vanished peers.
const keepAliveTime = 2 * time.Minute

func newNetwork(log *slog.Logger) network {
	return network{
		room: make(chan struct{}, 1), closing: make(chan struct{}), ended: make(chan struct{}), spare: spare{fd: -1},
		errs: acceptErrors{log: log, say: rate.Sometimes{First: 1, Interval: 10 * time.Second}},
	}
}

// listen takes the addresses and starts the loops. Nobody is let in before accept. After an error the caller must call
// close.
func (n *network) listen(h host, listeners []Listener, loops int, log *slog.Logger) error {
	n.host = h
	for _, l := range listeners {
		if err := n.bind(l, families(l.Address, listeners)); err != nil {
			return err
		}
	}
	n.spare.keep()
	client, err := gnet.NewClient(&callbacks{net: n}, gnet.WithNumEventLoop(loops), gnet.WithLogger(engineLog{log, n}), gnet.WithLogLevel(logging.ErrorLevel))
	if err == nil {
		err = client.Start()
	}
	if err != nil {
		return fmt.Errorf("cannot start event loops: %w", err)
	}
	n.client = client
	return n.findLoops(loops)
}

func (n *network) bind(l Listener, v6only int) (err error) {
	a := &acceptor{Listener: l, net: n, accept: accept}
	if l.Path == "" {
		a.socket, a.addr, err = bindTCP(l.Address, v6only, n.keepAlive)
	} else {
		var f *socketFile
		if f, err = newSocketFile(l); err != nil {
			return err
		}
		n.files = append(n.files, f)
		a.socket, err = bindUnix(f.bound())
	}
	if err != nil {
		return err
	}
	n.acceptors = append(n.acceptors, a)
	n.helps = append(n.helps, a.help)
	a.raw, err = a.socket.SyscallConn()
	return err
}

// accept lets clients in, those of Unix sockets too.
func (n *network) accept() error {
	n.accepts.Store(true)
	for _, a := range n.acceptors {
		n.accepting.Go(a.run)
	}
	for _, f := range n.files {
		if err := f.place(); err != nil {
			return err
		}
	}
	return nil
}

// help accepts in place of the acceptors. Busy loops call it: while all processors are busy, an acceptor's goroutine waits
// up to 10 ms for one, and so do new connections.
func (n *network) help() {
	if !n.accepts.Load() {
		return
	}
	for i, a := range n.acceptors {
		_ = a.raw.Control(n.helps[i]) // it fails when the listener is closed
	}
}

// door is that of the next loop in turn that has room, nil when none has.
func (n *network) door() *door {
	for range n.doors {
		if d := n.doors[n.next.Add(1)%uint32(len(n.doors))]; d.room() {
			return d
		}
	}
	return nil
}

// doorOf is the index of a loop.
func (n *network) doorOf(el gnet.EventLoop) int {
	for i, d := range n.doors {
		if d.el == el {
			return i
		}
	}
	panic("an event loop without a door")
}

// close ends the event loops, and with them every connection, and removes the Unix sockets. It returns when everything has
// ended, or with ctx.
func (n *network) close(ctx context.Context) error {
	close(n.closing)
	for _, a := range n.acceptors {
		_ = a.socket.Close()
	}
	n.accepting.Wait()
	for _, d := range n.doors {
		d.shut()
	}
	for _, f := range n.files {
		f.remove()
	}
	n.spare.drop()
	go func() {
		var err error
		if n.client != nil {
			err = n.client.Stop()
		}
		n.fail(err)
	}()
	select {
	case <-n.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ErrEnded means that the event loops ended without being asked.
var ErrEnded = errors.New("the network engine ended unexpectedly")

// fail records that the loops have ended.
func (n *network) fail(err error) {
	n.ending.Do(func() {
		n.err = err
		close(n.ended)
	})
}

// failure is why the event loops ended, once they have; nil when gnet says nothing.
func (n *network) failure() error {
	select {
	case <-n.ended:
		return n.err
	default:
		return nil
	}
}

// addresses are where clients connect over TCP, in the order in which they were asked for.
func (n *network) addresses() []netip.AddrPort {
	all := []netip.AddrPort{}
	for _, a := range n.acceptors {
		if a.Path == "" {
			all = append(all, a.addr)
		}
	}
	return all
}

// paths are the Unix sockets where clients connect, in the order in which they were asked for.
func (n *network) paths() []string {
	all := make([]string, len(n.files))
	for i, f := range n.files {
		all[i] = f.Path
	}
	return all
}
