package kafkatest

import (
	"io"
	"net"
	"sync"
)

// wire carries the connections to a broker's far listener. While it is cut nothing comes through, either way, and nobody is
// told, as when a network loses all packets; what was sent meanwhile arrives when it is mended, as TCP sends it again.
type wire struct {
	to       string
	listener net.Listener

	mu    sync.Mutex
	whole *sync.Cond // of mu
	cut   bool
	ended bool
	conns map[net.Conn]struct{}
	wg    sync.WaitGroup
}

// newWire listens at one address and carries to another.
func newWire(at, to string) (*wire, error) {
	l, err := net.Listen("tcp4", at)
	if err != nil {
		return nil, err
	}
	w := &wire{to: to, listener: l, conns: map[net.Conn]struct{}{}}
	w.whole = sync.NewCond(&w.mu)
	w.wg.Go(w.accept)
	return w, nil
}

func (w *wire) accept() {
	for {
		near, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.wg.Go(func() { w.carry(near) })
	}
}

func (w *wire) carry(near net.Conn) {
	if !w.keep(near) {
		return
	}
	defer w.drop(near)
	if !w.pass() {
		return
	}
	far, err := net.Dial("tcp4", w.to)
	if err != nil || !w.keep(far) {
		return
	}
	defer w.drop(far)
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		both.Go(func() {
			_, _ = io.Copy(gate{way[1], w}, way[0])
			_ = way[1].Close() // the other way ends as well
		})
	}
	both.Wait()
}

// gate is a connection that is written to only while the wire is whole.
type gate struct {
	net.Conn
	w *wire
}

func (g gate) Write(b []byte) (int, error) {
	if !g.w.pass() {
		return 0, net.ErrClosed
	}
	return g.Conn.Write(b)
}

// pass waits until the wire is whole, and is false when it has ended.
func (w *wire) pass() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.cut && !w.ended {
		w.whole.Wait()
	}
	return !w.ended
}

func (w *wire) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	w.whole.Broadcast()
}

func (w *wire) keep(c net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		_ = c.Close()
		return false
	}
	w.conns[c] = struct{}{}
	return true
}

func (w *wire) drop(c net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, c)
	_ = c.Close()
}

func (w *wire) close() error {
	w.mu.Lock()
	w.ended = true
	w.whole.Broadcast()
	for c := range w.conns {
		_ = c.Close()
	}
	w.mu.Unlock()
	err := w.listener.Close()
	w.wg.Wait()
	return err
}
