package shard

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"

	"stentor/engine/session"
)

// simSocket is the socket that a shard sees, with the wire and the client's end.
type simSocket struct {
	w    *world
	sh   *simShard
	conn *Conn
	link *simLink

	wire     []byte // taken by the kernel, not read by the client
	buffered []byte // not taken by the kernel
	window   int    // what the kernel takes before the client reads; 0 all
	finned   bool   // the server has ended its side
	gone     bool   // the server has closed it

	writable func() // tells the shard, once, that the kernel takes more

	failIn  int  // writes until one fails; 0 none does
	panicIn int  // writes until one panics; 0 none does
	looks   bool // it is OutboundBuffered that panics
	wrote   int64
	welcome bool   // CONNECTED was written
	tail    []byte // of what was written, in which a header's name may have begun
	writes  []written
	total   int
}

// written notes when the bytes of the stream up to end were written, and what the shard can have taken by then.
type written struct {
	end  int
	at   int64
	most []int
}

// connect opens a socket on sh for l.
func (sh *simShard) connect(l *simLink) *simSocket {
	k := &simSocket{w: sh.w, sh: sh, link: l}
	k.wrote = sh.w.now
	sh.sockets = append(sh.sockets, k)
	sh.w.serial++
	sh.node.opened++
	peer := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 1}), uint16(sh.w.serial))
	if l.c.form == session.SockJSHTTP {
		k.conn = sh.shard.OpenSession(k, &Admission{Address: peer, Token: "token=t", Form: l.c.form})
	} else {
		k.conn = sh.shard.Open(k, peer)
	}
	return k
}

// Write implements Socket.
func (k *simSocket) Write(p []byte) (int, error) {
	if err := k.attempt(p); err != nil {
		return 0, err
	}
	k.written(p)
	return len(p), nil
}

// offer writes what the kernel accepts.
func (k *simSocket) offer(p []byte) (int, error) {
	if err := k.attempt(p); err != nil {
		return 0, err
	}
	if len(k.buffered) > 0 {
		k.w.failf("%v: a piece is offered behind %d bytes that wait", k, len(k.buffered))
	}
	n := len(p)
	if k.window > 0 {
		n = min(n, max(0, k.window-len(k.wire)))
	}
	if n > 0 {
		k.written(p[:n])
	}
	return n, nil
}

// watch arranges that the shard is told when the kernel accepts more; sometimes it fails.
func (k *simSocket) watch(r Ref) bool {
	if k.w.chance(4) {
		return false
	}
	k.writable = func() { k.sh.shard.Writable([]Ref{r}) }
	return true
}

// attempt decides the outcome of a write of p before a byte of it is accepted.
func (k *simSocket) attempt(p []byte) error {
	k.w.now += int64(k.w.profile.WriteCost) + int64(len(p))/16
	switch {
	case k.gone:
		k.w.failf("%v: a write after it was closed", k)
		return errSimWrite
	case k.finned:
		k.w.failf("%v: a write after FIN", k)
	case len(p) == 0:
		k.w.failf("%v: an empty write", k)
	}
	k.checkMessages(p)
	if k.panicIn > 0 && !k.looks {
		if k.panicIn--; k.panicIn == 0 {
			k.panic()
		}
	}
	if k.failIn > 0 {
		if k.failIn--; k.failIn == 0 {
			k.w.tracef("%v: a write of %d bytes fails", k, len(p))
			k.link.excuse("a write failed")
			if len(k.buffered) == 0 {
				k.wire = append(k.wire, p[:k.w.rng.IntN(len(p))]...)
			}
			k.close(false)
			return errSimWrite
		}
	}
	return nil
}

// written handles bytes that were accepted or buffered.
func (k *simSocket) written(p []byte) {
	k.wrote = k.w.now
	k.total += len(p)
	most := k.sh.most(k.link.c.topic)
	if n := len(k.writes); n > 0 { // an answer may have waited since, and its project may have been removed
		for part, at := range k.writes[n-1].most {
			if part == len(most) {
				most = append(most, at)
			}
			most[part] = max(most[part], at)
		}
	}
	k.writes = append(k.writes, written{k.total, k.w.now, most})
	k.welcome = k.welcome || bytes.Contains(p, k.link.c.line("CONNECTED"))
	name := append(k.link.c.line(""), "message-id:"...)
	k.tail = append(k.tail, p...)
	k.sh.node.projects[k.link.c.topic.number].frames += bytes.Count(k.tail, name)
	k.tail = append(k.tail[:0], k.tail[max(0, len(k.tail)-len(name)+1):]...)
	k.buffered = append(k.buffered, p...)
	k.flow()
	k.w.tracef("%v: %d bytes written, %d buffered", k, len(p), len(k.buffered))
}

// checkMessages checks that a write with MESSAGEs is allowed now, and is not too large.
func (k *simSocket) checkMessages(p []byte) {
	if !bytes.Contains(p[:min(len(p), 20)], k.link.c.line("MESSAGE")) {
		return
	}
	if len(k.buffered) > 0 {
		k.w.failf("%v: MESSAGEs are written behind %d bytes that wait", k, len(k.buffered))
	}
	const lines = 1.5 // for the lines that differ from one subscriber to the next
	if n := bytes.Count(p, append(k.link.c.line(""), "message-id:"...)); n > 1 && len(p) > writeBytes*lines {
		k.w.failf("%v: %d MESSAGEs in a write of %d bytes", k, n, len(p))
	}
}

// panic happens inside a call of the shard.
func (k *simSocket) panic() {
	k.w.tracef("%v: panic", k)
	k.w.panics++
	k.link.excuse("its socket panicked")
	panic(errSimPanic)
}

// OutboundBuffered implements Socket.
func (k *simSocket) OutboundBuffered() int {
	k.w.now += 50
	if k.gone {
		k.w.failf("%v: looked at after it was closed", k)
	}
	if k.panicIn > 0 && k.looks && !k.sh.tasking { // a task may be about many connections
		if k.panicIn--; k.panicIn == 0 {
			k.interrupted()
			k.panic()
		}
	}
	return len(k.buffered)
}

// interrupted notes which subscriptions a panic at this moment may cost pushes: a round abandons its range, a push to a user its
// other sessions, and everything else the connection. Subscriptions that may have lost a push are told.
func (k *simSocket) interrupted() {
	t := k.link.c.topic
	most := k.sh.most(t)
	for _, other := range k.sh.sockets {
		if other.link.c.topic != t {
			continue
		}
		for _, f := range other.link.feeds {
			if !slices.ContainsFunc(k.link.feeds, func(own *feed) bool { return own.dest == f.dest }) {
				continue
			}
			for part, high := range most {
				f.jumped(jump{part: part, low: f.parts[part].next, high: high, panic: true, may: true})
			}
		}
	}
}

// unsent is what the kernel holds because the client does not read.
func (k *simSocket) unsent() int {
	k.w.now += 200
	if k.gone {
		k.w.failf("%v: asked about after it was closed", k)
	}
	if k.window == 0 {
		return 0
	}
	return len(k.wire)
}

// flow moves what the kernel accepts.
func (k *simSocket) flow() {
	n := len(k.buffered)
	if k.window > 0 {
		n = min(n, max(0, k.window-len(k.wire)))
	}
	k.wire = append(k.wire, k.buffered[:n]...)
	k.buffered = append(k.buffered[:0], k.buffered[n:]...)
}

// read is what the client reads, at most n bytes.
func (k *simSocket) read(n int) []byte {
	n = min(n, len(k.wire))
	p := append([]byte(nil), k.wire[:n]...)
	k.wire = append(k.wire[:0], k.wire[n:]...)
	if k.gone {
		return p
	}
	k.flow()
	if tell := k.writable; n > 0 && tell != nil && len(k.wire) < unsentLow {
		k.writable = nil
		tell()
	}
	return p
}

// when returns the write that contained the byte at this place of the stream.
func (k *simSocket) when(at int) written {
	for len(k.writes) > 1 && k.writes[0].end <= at {
		k.writes = k.writes[1:]
	}
	return k.writes[0]
}

// close is the end of the socket in the server. What the kernel has taken may still reach the client.
func (k *simSocket) close(byServer bool) {
	k.gone = true
	for i, other := range k.sh.sockets {
		if other == k {
			k.sh.sockets = append(k.sh.sockets[:i:i], k.sh.sockets[i+1:]...)
			break
		}
	}
	if byServer {
		k.link.closedByServer()
	}
	k.sh.shard.Gone(k.conn)
	k.conn = nil
	if k.w.chance(3) {
		k.wire = nil // the kernel had not sent it
	}
}

func (k *simSocket) String() string { return fmt.Sprintf("%v on %v", k.link.c, k.sh) }
