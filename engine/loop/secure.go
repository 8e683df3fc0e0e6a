package loop

import (
	"crypto/tls"
	"errors"
	"io"
	"unsafe"

	"github.com/panjf2000/gnet/v2"

	"stentor/engine/certs"
	"stentor/engine/shard"
	"stentor/engine/tls13"
)

// TLS is how the listeners with the option tls serve it.
type TLS struct {
	// Config is permanent, as it has the keys of tickets: what changes comes from its GetConfigForClient, which also gives a
	// certs.KeyLogger its log.
	Config *tls.Config
	// Records makes crypto/tls do the handshake alone, where version and suite allow it: an idle connection then takes some
	// 300 bytes instead of 12 KB.
	Records bool
	// CipherBytes bounds what the loops keep of ciphers for their next writes.
	CipherBytes int
}

// secure is a connection over TLS: a stage, and the socket of its shard. It belongs to its loop. It has two lives. Until the
// handshake is done, its input goes to the handshake's goroutine (shaking.go), and what the shard writes goes nowhere: nothing
// can be read before. Afterwards the loop opens and seals the records. A million of them fit on a host because of what is not
// in here.
type secure struct {
	records tls13.Records // ours, when own
	gnet.Conn
	conn  *shard.Conn
	some  *someTLS // what it has only at times, or with crypto/tls's records
	phase securePhase
	own   bool // the records are opened and sealed by tls13, not by crypto/tls
	// closed: gone was called, and the descriptor may be another connection's.
	closed bool
}

// securePhase is how far a connection over TLS has come.
type securePhase uint8

const (
	helloPhase   securePhase = iota // the ClientHello is incomplete
	shakingPhase                    // a goroutine makes the handshake
	openPhase                       // data can be read and written
	endedPhase                      // TLS has ended: what comes is discarded, what the shard writes too
)

// someTLS is what a connection has at times.
type someTLS struct {
	part []byte // the ClientHello, or the beginning of a record
	feed *feed
	tls  *tls.Conn // it does the records
	lent *Lent     // gets the data, in place of the shard
	mute int       // bytes of records in a row without data, which crypto/tls may keep
}

// muteMost bounds them. crypto/tls keeps a message of the handshake until it is complete, up to 256 KiB; the only one that a
// client may send, KeyUpdate, takes a few bytes and the padding of its record.
const muteMost = 32 << 10

// listen counts the bytes of records that had so much data, and fails when a client sends too many without.
func (s *someTLS) listen(bytes, data int) error {
	if s.mute += bytes; data > 0 {
		s.mute = 0
	}
	if s.mute > muteMost {
		return errMute
	}
	return nil
}

var errMute = errors.New("too many records in a row carried no data")

func (t *secure) rare() *someTLS {
	if t.some == nil {
		t.some = &someTLS{}
	}
	return t.some
}

// tidy frees what is empty.
func (t *secure) tidy() {
	if s := t.some; s != nil && s.part == nil && s.feed == nil && s.tls == nil && s.lent == nil {
		t.some = nil
	}
}

// Held implements shard.Holding: what a client makes us keep.
func (t *secure) Held() int {
	s := t.some
	if s == nil {
		return 0
	}
	n := int(unsafe.Sizeof(*s)) + cap(s.part) + s.mute
	if s.feed != nil {
		n += s.feed.held()
	}
	return n
}

// of implements stage.
func (t *secure) of() *shard.Conn { return t.conn }

// over returns the TLS of a socket; nil for a plain one.
func over(s shard.Socket) *secure {
	t, _ := s.(*secure)
	return t
}

// raw is the connection below a socket.
func raw(s shard.Socket) gnet.Conn {
	if t := over(s); t != nil {
		return t.Conn
	}
	return s.(gnet.Conn)
}

// input implements stage.
func (t *secure) input(l *Loop, c gnet.Conn, in []byte) gnet.Action {
	defer l.endures(t)
	switch t.phase {
	case helloPhase:
		return l.hello(t, in)
	case shakingPhase:
		whole := t.whole(in)
		if len(whole) > 0 && !t.some.feed.put(whole) {
			l.failed(t, certs.Flood)
			return gnet.Close
		}
		l.above.Recount(t.conn)
	case openPhase:
		return l.open(t, in)
	}
	return gnet.None
}

// endures closes a connection whose TLS panicked.
func (l *Loop) endures(t *secure) {
	if reason := recover(); reason != nil {
		l.server.conf.Host.Panicked("tls", reason)
		t.phase = endedPhase
		if !t.closed {
			_ = t.EventLoop().Close(t.Conn)
		}
	}
}

// open takes what arrived after the handshake.
func (l *Loop) open(t *secure, in []byte) gnet.Action {
	whole := t.whole(in)
	if len(whole) == 0 {
		if t.phase != endedPhase {
			l.above.Recount(t.conn)
		}
		return gnet.None
	}
	plain, err := l.unseal(t, whole)
	t.tidy()
	switch {
	case len(plain) == 0 && t.phase == openPhase:
		l.above.Recount(t.conn)
	case len(plain) > 0 && !l.give(t, plain):
		return gnet.Close
	}
	switch {
	case err == nil || t.phase == endedPhase:
		return gnet.None
	case errors.Is(err, io.EOF):
		l.endSecure(t)
		return gnet.Close
	}
	if a, ok := tls13.AlertOf(err); ok && t.own {
		l.alert(t, a) // behind the answers to what came before
	}
	l.server.shakes.broken.Add(1)
	l.finish(t)
	return gnet.None
}

// give hands data on, and reports whether there was room for it.
func (l *Loop) give(t *secure, plain []byte) bool {
	if t.some != nil && t.some.lent != nil {
		return t.some.lent.put(plain)
	}
	l.above.Input(t.conn, plain)
	return true
}

// finish ends a connection whose TLS has failed: its last alert is on its way, or it has none.
func (l *Loop) finish(t *secure) {
	t.phase = endedPhase
	l.above.Hangup(t.conn)
}

// unseal opens whole records, whose bytes may change. It returns what they had, also beside an error; io.EOF is the client's
// close_notify. crypto/tls has written an alert for the client itself.
func (l *Loop) unseal(t *secure, whole []byte) (plain []byte, err error) {
	if t.own {
		return l.unsealOwn(t, whole)
	}
	f := t.some.feed
	f.give(whole)
	if cap(l.plain) < len(whole) {
		l.plain = make([]byte, len(whole))
	}
	plain = l.plain[:0]
	for err == nil && len(plain) < cap(plain) {
		var n int
		n, err = t.some.tls.Read(plain[len(plain):cap(plain)])
		plain = plain[:len(plain)+n]
	}
	f.give(nil)
	if err == errAgain {
		err = t.some.listen(len(whole), len(plain))
	}
	return plain, err
}

// Write implements shard.Socket; shards write by Loop.write.
func (t *secure) Write(p []byte) (int, error) { return 0, errors.ErrUnsupported }

// writeSecure seals p and hands it to the kernel; gnet keeps what the kernel does not take.
func (l *Loop) writeSecure(t *secure, p []byte) (int, error) {
	if t.phase != openPhase || len(p) == 0 {
		return len(p), nil
	}
	var err error
	if t.own {
		err = l.sealOwn(t, p)
	} else {
		_, err = t.some.tls.Write(p)
	}
	if err != nil {
		if !t.closed {
			_ = t.EventLoop().Close(t.Conn)
		}
		return 0, err
	}
	return len(p), nil
}

// record is the most that one record carries (RFC 8446 section 5.1).
const record = 16 << 10

// offerSecure seals as many records of p as the kernel takes. What it does not take of the last one is buffered: a record goes
// out whole or the connection ends.
func (l *Loop) offerSecure(t *secure, p []byte) (n int, err error) {
	for n < len(p) && t.OutboundBuffered() == 0 {
		piece := p[n:min(len(p), n+record)]
		if _, err = l.writeSecure(t, piece); err != nil || t.phase != openPhase {
			return n, err
		}
		n += len(piece)
	}
	return n, nil
}

// endSecure says close_notify, and then sends FIN unless the client has yet to take bytes: FIN would cut them off. The shard
// closes the connection a little later in either case.
func (l *Loop) endSecure(t *secure) {
	if t.phase == openPhase {
		if t.own {
			l.alert(t, tls13.CloseNotify)
		} else {
			_ = t.some.tls.CloseWrite()
		}
	}
	if t.phase == shakingPhase {
		t.some.feed.fail(errOver)
	}
	l.cut(t, certs.Ended)
	t.phase = endedPhase
	if !t.closed && t.OutboundBuffered() == 0 {
		closeWrite(t.Conn)
	}
}

// gone is called when the connection is closed.
func (l *Loop) gone(t *secure) {
	if t.phase == shakingPhase { // its goroutine may have found a reason already, for which the client left
		t.some.feed.gone, t.some.feed.client = true, l.above.Address(t.conn)
		t.phase = endedPhase
	}
	l.cut(t, certs.Closed)
	t.phase, t.closed = endedPhase, true
	if t.own {
		l.layer.Forget(&t.records)
	}
	if s := t.some; s != nil && s.feed != nil {
		s.feed.fail(io.ErrUnexpectedEOF)
	}
	if s := t.some; s != nil && s.lent != nil {
		s.lent.fail(io.EOF)
	}
	t.some = nil
}
