package kafkatest

import (
	"bytes"
	"net"
	"slices"
	"sync"
)

// wire forwards the connections to a broker's far listener. A direction that is cut passes nothing, and neither end sees an
// error, as when a network loses all packets. What was sent in the meantime arrives after the wire is mended, as
// after TCP's retransmissions.
type wire struct {
	to       string
	listener net.Listener

	mu    sync.Mutex
	moved *sync.Cond // of mu: something below has changed
	up    bool       // what goes to the broker is cut
	down  bool       // what comes from it
	ended bool
	conns map[net.Conn]struct{}
	ways  map[*way]struct{}
	wg    sync.WaitGroup
}

// way is one direction of a connection. The wire's mu guards it.
type way struct {
	up   bool     // to the broker
	held [][]byte // read from one end and not written to the other yet
	over bool     // the sending end has ended
	gone bool     // the receiving end has ended
}

// A way holds at most mostHeld pieces of pieceBytes.
const (
	pieceBytes = 32 << 10
	mostHeld   = 64
)

// newWire listens at one address and forwards to another.
func newWire(at, to string) (*wire, error) {
	l, err := net.Listen("tcp4", at)
	if err != nil {
		return nil, err
	}
	w := &wire{to: to, listener: l, conns: map[net.Conn]struct{}{}, ways: map[*way]struct{}{}}
	w.moved = sync.NewCond(&w.mu)
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
	for _, ends := range [][2]net.Conn{{near, far}, {far, near}} {
		v := &way{up: ends[1] == far}
		both.Go(func() { w.take(v, ends[0]) })
		both.Go(func() { w.give(v, ends[1]) })
	}
	both.Wait()
}

// take reads from one end into v.held.
func (w *wire) take(v *way, from net.Conn) {
	for over := false; !over; {
		piece := make([]byte, pieceBytes)
		n, err := from.Read(piece)
		over = err != nil
		w.change(func() {
			for len(v.held) >= mostHeld && !v.gone && !w.ended {
				w.moved.Wait()
			}
			v.held, v.over = append(v.held, piece[:n]), over
			w.ways[v] = struct{}{}
		})
	}
}

// give writes v.held to the other end while v is not cut.
func (w *wire) give(v *way, to net.Conn) {
	for {
		piece, ok := w.next(v)
		if !ok {
			break
		}
		if _, err := to.Write(piece); err != nil {
			break
		}
	}
	w.change(func() {
		v.gone = true
		delete(w.ways, v)
	})
	_ = to.Close() // ends the other direction as well
}

// next waits for a piece, and returns false when there will be none.
func (w *wire) next(v *way) (piece []byte, ok bool) {
	w.change(func() {
		for !w.ended && (w.stops(v) || len(v.held) == 0 && !v.over) {
			w.moved.Wait()
		}
		if ok = !w.ended && len(v.held) > 0; ok {
			piece = v.held[0]
			v.held = v.held[1:]
		}
	})
	return piece, ok
}

// holds reports whether these bytes for the broker wait for the wire to be mended.
func (w *wire) holds(some []byte) (found bool) {
	w.change(func() {
		for v := range w.ways {
			found = found || v.up && bytes.Contains(slices.Concat(v.held...), some)
		}
	})
	return found
}

func (w *wire) change(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.moved.Broadcast()
	f()
}

// pass waits until a connection to the broker can be made, and returns false when it has ended.
func (w *wire) pass() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.up && !w.ended {
		w.moved.Wait()
	}
	return !w.ended
}

// stops reports whether v is cut. The caller holds mu.
func (w *wire) stops(v *way) bool {
	if v.up {
		return w.up
	}
	return w.down
}

func (w *wire) set(up, down bool) { w.change(func() { w.up, w.down = up, down }) }

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
	w.change(func() {
		w.ended = true
		for c := range w.conns {
			_ = c.Close()
		}
	})
	err := w.listener.Close()
	w.wg.Wait()
	return err
}
