package client

import (
	"fmt"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"stentor/bench/gen/measure"
	"stentor/engine/websocket"
	"stentor/stomp"
)

// event is one event of epoll.
func (t *thread) event(e *unix.EpollEvent) {
	if e.Fd == wakeSlot {
		var b [8]byte
		_, _ = unix.Read(t.wake, b[:]) // empty: somebody else's nudge was read with an earlier one
		return
	}
	c := t.conns.at(e.Fd)
	if c.generation != e.Pad || c.state == closed {
		return
	}
	if c.state != dialing {
		t.read(c)
		return
	}
	if code, err := unix.GetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_ERROR); err == nil && code != 0 {
		t.fail(c, fmt.Sprintf("connect: %v", unix.Errno(code)))
		return
	}
	switch t.shake(c); {
	case c.state == securing: // until it is done nothing is to be read here
		if err := unix.EpollCtl(t.epoll, unix.EPOLL_CTL_DEL, int(c.fd), nil); err != nil {
			panic(fmt.Sprintf("epoll_ctl: %v", err)) // only for a descriptor that is not watched
		}
	case c.state > dialing:
		t.watch(c, unix.EPOLL_CTL_MOD, unix.EPOLLIN)
	}
}

// read reads as much as one turn allows.
func (t *thread) read(c *conn) {
	t.readSome(c, t.input)
	if c.tls == nil {
		return
	}
	// epoll does not report what crypto/tls has read ahead.
	for c.more {
		t.readSome(c, t.input)
	}
}

// readSome reads once.
func (t *thread) readSome(c *conn, input []byte) {
	var n int
	var err error
	if c.tls != nil {
		n, err = c.readTLS(input)
		c.more = n > 0
	} else {
		n, err = unix.Read(int(c.fd), input)
	}
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
	case err != nil:
		t.fail(c, fmt.Sprintf("read: %v", err))
	case n == 0:
		t.fail(c, "the server closed without a close frame")
	default:
		now := time.Now()
		c.heard = t.millis(now)
		t.handle(c, input[:n], now)
	}
}

// handle handles b, read at now.
func (t *thread) handle(c *conn, b []byte, now time.Time) {
	b = c.takeRaw(b)
	if c.state == upgrading {
		n, packed, err := 0, false, error(nil)
		if t.client.options.Form == Deflated {
			n, packed, err = websocket.ParsePackedAnswer(b, t.client.wire.key)
		} else {
			n, _, err = websocket.ParseAnswer(b, t.client.wire.key)
		}
		if err != nil {
			t.fail(c, "handshake: "+err.Error())
			return
		}
		if n == 0 {
			c.keepRaw(b)
			return
		}
		b = b[n:]
		switch {
		case packed:
			c.reader.Unpack()
			t.connect(c)
		case t.client.options.Form == Deflated:
			t.fail(c, "handshake: the server does not compress")
			return
		case t.client.options.Form == SockJS:
			c.state = greeting
		case t.client.options.Bare:
			if c.subscriptions = 1; t.client.options.Stream != nil {
				c.streams[0] = t.client.options.Stream(t.number(c), 0)
			}
			t.opened(c)
		default:
			t.connect(c)
		}
	}
	nanos := now.UnixNano()
	for len(b) > 0 && c.state != closed {
		if m := t.known.after(c.at, b); m != nil && !c.reader.MidMessage() {
			c.at++
			t.deliver(c, m, nanos)
			b = b[len(m.frame):]
			continue
		}
		n := t.next(c, b, nanos)
		if n == 0 && c.state != closed {
			c.keepRaw(b)
			return
		}
		b = b[n:]
	}
}

// next handles the first WebSocket event of b and returns its size, 0 when it is not complete or c is closed.
func (t *thread) next(c *conn, b []byte, nanos int64) int {
	begins := !c.reader.MidMessage()
	ev, n, err := c.reader.Next(b, maxMessage)
	if err != nil {
		t.fail(c, "websocket: "+err.Error())
		return 0
	}
	switch ev.Kind {
	case websocket.Data:
		if whole, ok := c.join(&ev); ok {
			var frame []byte
			if begins {
				frame = b[:n]
			}
			if ev.Packed {
				if whole, ok = t.unpack(c, whole); !ok {
					return 0
				}
			}
			switch {
			case t.client.options.Form == SockJS:
				t.sockjs(c, whole, frame, nanos)
			case t.client.options.Bare:
				t.bare(c, whole, nanos)
			default:
				t.stomp(c, whole, frame, nanos)
			}
		}
	case websocket.Ping:
		t.send(c, ws.OpPong, ev.Payload)
	case websocket.Close:
		if t.leaving != nil && ev.Code == serviceRestart && c.state == open {
			t.counts.Left++
			t.counts.Order.Lost += t.missing(c, t.leaving)
			t.release(c)
			return 0
		}
		t.closed(c, uint16(ev.Code), string(ev.Reason))
	}
	if c.state == closed {
		return 0
	}
	return n
}

// closed handles the close frame of the server.
func (t *thread) closed(c *conn, code uint16, reason string) {
	l := Loss{Open: c.state == open, Code: code, Reason: reason, Cause: fmt.Sprintf("the server closed: %d %s", code, reason)}
	if t.client.options.Lost != nil {
		l.Cause = fmt.Sprintf("the server closed: %d", code) // a reason may have a random number
	}
	t.lose(c, l)
}

// serviceRestart is the close code that asks the client to reconnect to another node (IANA's registry).
const serviceRestart = 1012

// maxMessage bounds a message of the server.
const maxMessage = 16 << 20

var limits = stomp.Limits{BodyBytes: maxMessage}

// stomp handles one WebSocket message, which must be exactly one STOMP frame or a heart-beat. frame is its WebSocket frame,
// nil when it came in several frames or reads.
func (t *thread) stomp(c *conn, whole, frame []byte, nanos int64) {
	f := &t.frame
	var progress stomp.Progress
	n, err := t.decoder.Decode(whole, version, &limits, &progress, f)
	if err != nil {
		t.fail(c, "STOMP: "+err.Error())
		return
	}
	if n != len(whole) || n == 0 {
		t.fail(c, "STOMP: a WebSocket message is not one whole frame")
		return
	}
	switch f.Command {
	case stomp.None: // heart-beat
	case stomp.MessageCommand:
		t.message(c, f, frame, nanos)
	case stomp.Connected:
		t.subscribe(c, f)
	case stomp.Receipt:
		t.receipt(c, f)
	case stomp.ErrorCommand:
		text, _ := f.Get("message")
		t.fail(c, "ERROR: "+string(text))
	default:
		t.fail(c, "STOMP: a server does not send "+f.Command.String())
	}
}

// subscribe answers CONNECTED with the subscriptions, each in a write of its own.
func (t *thread) subscribe(c *conn, connected *stomp.Frame) {
	if c.state != connecting {
		t.fail(c, "STOMP: CONNECTED without CONNECT")
		return
	}
	o := &t.client.options
	t.beats.agree(connected, t.client.wire.millis)
	c.state = subscribing
	number := t.number(c)
	if o.Connected != nil {
		o.Connected(number, connected)
	}
	destinations := t.destinations(c)
	if len(destinations) > MaxSubscriptions || len(destinations) == 0 {
		t.fail(c, fmt.Sprintf("%d subscriptions: 1 to %d are possible", len(destinations), MaxSubscriptions))
		return
	}
	c.subscriptions = uint8(len(destinations))
	for i, destination := range destinations {
		if o.Stream != nil {
			c.streams[i] = o.Stream(number, i)
		}
		var last []byte
		if c.places != nil {
			last = c.places.appendID(nil, i)
		}
		receipt := o.Receipts && (o.Resume || i == len(destinations)-1)
		if t.scratch = appendSubscribe(t.scratch[:0], i, destination, receipt, last); !t.send(c, ws.OpText, t.scratch) {
			return
		}
	}
	if !o.Receipts {
		t.opened(c)
	}
}

// destinations are what c subscribes to.
func (t *thread) destinations(c *conn) []string {
	o := &t.client.options
	if o.SubscriptionsOf != nil {
		return o.SubscriptionsOf(t.number(c))
	}
	return o.Subscriptions
}

// receipt handles the receipt of a SUBSCRIBE. Receipts come in the order of their requests.
func (t *thread) receipt(c *conn, f *stomp.Frame) {
	id, _ := f.Get("receipt-id")
	if c.state != subscribing || len(id) != 1 || id[0] < '0' || id[0]-'0' >= c.subscriptions {
		t.fail(c, "STOMP: a RECEIPT that was not asked for")
		return
	}
	i := id[0] - '0'
	if subscribed, ok := f.Get("subscribed"); ok && string(subscribed) == "false" {
		reason, _ := f.Get("reason")
		t.fail(c, fmt.Sprintf("the server did not subscribe it to %s: its RECEIPT has subscribed:false and reason:%s", t.destinations(c)[i], reason))
		return
	}
	if c.places != nil {
		t.begin(c, i, f)
	}
	if c.state == subscribing && i+1 == c.subscriptions {
		t.opened(c)
	}
}

// opened makes c count as open.
func (t *thread) opened(c *conn) {
	o := &t.client.options
	t.pending--
	c.state = open
	if o.Newest != nil && o.Receipts && !c.before {
		number := t.number(c)
		for i := range int(c.subscriptions) {
			if c.sequence[i] == (measure.Sequence{}) {
				c.sequence[i].Follow(o.Newest(number, i))
			}
		}
	}
	c.before = true
	t.counts.Opened++
	*t.counts.open(c.kind)++
	t.connecting.Record(time.Since(t.client.started) - time.Duration(c.due))
	if c.kind == Reading {
		return
	}
	if c.kind == Slow {
		t.slow = append(t.slow, c.place())
	}
	if err := unix.EpollCtl(t.epoll, unix.EPOLL_CTL_DEL, int(c.fd), nil); err != nil && err != unix.ENOENT {
		t.fail(c, fmt.Sprintf("epoll_ctl: %v", err))
	}
}

// send writes one WebSocket frame and reports whether that succeeded. A socket's buffer has room for everything that a client
// sends, unless the server does not read.
func (t *thread) send(c *conn, op ws.OpCode, payload []byte) bool {
	if op == ws.OpText {
		payload = t.framed(payload)
	}
	t.output = appendFrame(t.output[:0], op, payload)
	var n int
	var err error
	if c.tls != nil {
		n, err = c.tls.Write(t.output)
	} else {
		n, err = unix.Write(int(c.fd), t.output)
	}
	if err == nil && n < len(t.output) {
		err = unix.EAGAIN
	}
	switch err {
	case nil:
		return true
	case unix.EAGAIN:
		t.fail(c, "write: the server does not read")
	default:
		t.fail(c, fmt.Sprintf("write: %v", err))
	}
	return false
}

// fail ends a connection and counts why.
func (t *thread) fail(c *conn, cause string) { t.lose(c, Loss{Open: c.state == open, Cause: cause}) }

func (t *thread) lose(c *conn, l Loss) {
	cause := l.Cause
	switch {
	case c.state == open && c.kind != Reading:
		count(t.counts.Ended, cause)
	case c.state != open && c.again:
		count(t.counts.Again, cause)
	default:
		count(t.counts.Failures, cause)
	}
	if t.client.options.Lost == nil {
		t.release(c)
		return
	}
	t.end(c)
	t.client.options.Lost(t.number(c), l)
}

// release closes a connection and frees its slot. Sequences and places stay with the slot.
func (t *thread) release(c *conn) {
	t.end(c)
	t.free = append(t.free, c.slot)
}

// end closes a connection.
func (t *thread) end(c *conn) {
	if c.state == open {
		*t.counts.open(c.kind)--
	} else {
		t.pending--
	}
	if c.fd >= 0 && c.state != securing {
		_ = unix.Close(int(c.fd)) // the descriptor is gone whatever it answers
	}
	// Its descriptor may be another connection's by now, so reading stops.
	c.state, c.more, c.pieces, c.tls = closed, false, nil, nil
}
