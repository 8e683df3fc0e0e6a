package shard

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"stentor/engine/session"
	"stentor/engine/websocket"
	"stentor/stomp"
)

// simLink is the client's end of one connection: what it sent, and whether what it reads obeys the protocol.
type simLink struct {
	w    *world
	c    *simClient
	sock *simSocket

	key     string
	out     []byte // on its way to the server
	held    []byte // STOMP bytes of a WebSocket message that is not closed yet
	in      []byte
	read    int // bytes that were parsed
	begun   int // of these, before the message under way
	passed  int // bytes that the server has got
	marks   []mark
	asking  *feed           // whose SUBSCRIBE is sent next
	owed    map[string]bool // bodies of SENDs that the bus has yet to answer
	free    bool            // nothing that arrived can wait in the server
	idles   int             // of its shard, when something last could wait
	reader  websocket.ClientReader
	message []byte
	decoder stomp.Decoder

	opened    bool // the WebSocket is open
	begins    bool // SockJS's session is, too
	ends      int  // the code of SockJS's close frame; 0: none yet
	greeted   bool // CONNECT was sent
	connected bool
	session   string
	feeds     []*feed
	expects   []expect
	receipts  int
	txs       []*simTx

	sends, receives int64 // heart-beats as the server sees them, ns
	sent            int64

	reason     string  // why the server may close
	risks      string  // a reason that may apply
	paced      []int64 // when frames were sent
	inputBytes int     // bytes of frames since no answer was outstanding
	guilt      string  // the code of the ERROR that the client must expect
	leaving    bool    // DISCONNECT was sent
	errored    bool
	closing    bool    // a close frame was read
	ignores    bool    // does not answer the server's FIN
	late       bool    // sends no CONNECT
	answer     string  // of the authentication
	end        int64   // unix seconds earliest end of the session's token; 0: none
	tokens     []int64 // when recent new tokens were sent
	narrow     bool    // the new token may not allow simDenied
}

// mark is where a SUBSCRIBE is on its way to the server.
type mark struct {
	feed     *feed
	held     int // where its frame ends in held; -1 once it is sealed
	from, to int // and in all that is sent: in what WebSocket message
}

// expect is a RECEIPT that must come.
type expect struct {
	id     string
	what   stomp.Command
	feed   *feed
	bodies []string // what must be on the bus by then
	renews *simRenewal
}

// excuse allows the server to close the connection although the client did nothing wrong, and says why.
func (l *simLink) excuse(reason string) {
	if l.reason == "" {
		l.reason = reason
		l.w.tracef("%v: excused: %s", l.sock, reason)
	}
}

// blame notes which ERROR the client must expect.
func (l *simLink) blame(code string) {
	l.guilt += code + " "
	l.excuse("broke a rule: " + code)
}

// may reports whether the server may close.
func (l *simLink) may() bool { return l.reason != "" || l.leaving || !l.c.good }

func (l *simLink) closedByServer() {
	if !l.may() && !l.closing {
		l.w.failf("%v: closed for no reason", l.sock)
	}
}

// live reports whether the client can send frames.
func (l *simLink) live() bool {
	return l.connected && !l.leaving && l.guilt == "" && !l.closing && !l.sock.gone
}

// send queues a frame. receipt asks for its RECEIPT.
func (l *simLink) send(cmd stomp.Command, body string, receipt *expect, headers ...string) {
	f := stomp.Frame{Command: cmd, Body: []byte(body)}
	for i := 0; i < len(headers); i += 2 {
		f.Headers = append(f.Headers, stomp.Header{Name: []byte(headers[i]), Value: []byte(headers[i+1])})
	}
	if receipt != nil {
		l.receipts++
		receipt.id, receipt.what = "r:"+strconv.Itoa(l.receipts), cmd
		f.Headers = append(f.Headers, stomp.Header{Name: []byte("receipt"), Value: []byte(receipt.id)})
		l.expects = append(l.expects, *receipt)
	}
	l.w.tracef("%v: %v %v receipt %v", l.sock, cmd, headers, receipt != nil)
	before := len(l.held)
	l.held = stomp.AppendFrame(l.held, l.c.version, &f)
	l.pace(len(l.held) - before)
	if l.asking != nil {
		l.marks = append(l.marks, mark{feed: l.asking, held: len(l.held)})
		l.asking = nil
	}
	if l.w.rng.IntN(4) > 0 {
		l.seal()
	}
}

// seal ends the WebSocket message under way, which may hold several frames, or a part of one.
func (l *simLink) seal() {
	if len(l.held) == 0 {
		return
	}
	cut := 0
	if l.w.chance(6) {
		cut = l.w.rng.IntN(len(l.held))
		for l.c.form.Escaped() && cut > 0 && !utf8.RuneStart(l.held[cut]) {
			cut-- // a string has whole characters
		}
	}
	begins := 0
	for _, part := range [][]byte{l.held[:cut], l.held[cut:]} {
		from := l.passed + len(l.out)
		switch {
		case len(part) == 0:
		case l.c.form.Escaped():
			l.wrapped(part)
		case l.c.packs && l.w.chance(2):
			l.pack(part)
		default:
			l.raw(ws.OpBinary, part)
		}
		for i := range l.marks {
			if m := &l.marks[i]; m.held > begins && m.held <= begins+len(part) {
				m.held, m.from, m.to = -1, from, l.passed+len(l.out)
			}
		}
		begins += len(part)
	}
	l.held = l.held[:0]
}

func (l *simLink) raw(op ws.OpCode, payload []byte) {
	mask := [4]byte{byte(l.w.rng.Uint32()), byte(l.w.rng.Uint32()), 7, 9}
	l.out = websocket.AppendMasked(l.out, op, mask, payload)
}

// pump moves what is on its way in both directions.
func (l *simLink) pump() {
	l.beat()
	if !l.sock.gone && l.w.now >= l.sock.sh.stalled {
		if l.w.chance(2) || l.c.prompt() {
			l.seal()
		}
		if n := len(l.out); n > 0 {
			if !l.c.prompt() && l.w.chance(3) {
				n = l.w.rng.IntN(n)
			}
			piece := append([]byte(nil), l.out[:n]...)
			l.out = append(l.out[:0], l.out[n:]...)
			if n > 0 {
				l.sent = l.w.now
				l.sock.sh.input(l.sock, piece)
			}
		}
	}
	if n := l.c.appetite(); n > 0 {
		l.receive(l.sock.read(n))
	}
	switch {
	case l.sock.gone && len(l.sock.wire) == 0:
		l.lost()
	case l.sock.finned && !l.sock.gone && len(l.sock.wire) == 0 && len(l.sock.buffered) == 0 && !l.ignores:
		l.sock.close(false)
	}
}

// quiet reports that no outstanding answer keeps the server from the client's input.
func (l *simLink) quiet() bool { return len(l.expects) == 0 && len(l.owed) == 0 }

// arrives notes that the next n bytes reach the server.
func (l *simLink) arrives(n int) {
	l.passed += n
	l.free = l.free && l.quiet()
	for _, m := range l.marks {
		if m.held < 0 && m.from < l.passed {
			m.feed.enter(l)
		}
	}
}

// observe notes which subscriptions the server certainly has: their bytes arrived, and nothing delays them. Input may wait while
// answers are outstanding, and then until the shard has nothing left to do.
func (l *simLink) observe() {
	idles := l.sock.sh.idles
	switch {
	case !l.quiet():
		l.free, l.idles = false, idles
	case idles > l.idles:
		l.free = true
	}
	if !l.free || !l.sock.welcome {
		return
	}
	l.marks = slices.DeleteFunc(l.marks, func(m mark) bool {
		if m.held < 0 && m.to <= l.passed {
			m.feed.take(l.sock.sh.most(l.c.topic))
			return true
		}
		return false
	})
}

// beat sends heart-beats.
func (l *simLink) beat() {
	if l.connected && l.receives > 0 && !l.c.mute && l.w.now-l.sent > l.receives/2 && !l.leaving {
		l.sent = l.w.now
		l.seal()
		if l.c.form.Escaped() {
			l.wrapped([]byte("\n"))
		} else {
			l.raw(ws.OpText, []byte("\n"))
		}
	}
}

// abort ends the connection on the client's side without notice.
func (l *simLink) abort() {
	l.w.tracef("%v: aborted", l.sock)
	if !l.sock.gone {
		l.sock.close(false)
	}
	l.lost()
}

// lost is called when the client sees the end of its connection.
func (l *simLink) lost() {
	l.w.tracef("%v: lost", l.sock)
	l.c.link = nil
	l.c.away = l.w.now + l.w.rng.Int64N(100*millisecond)
	for _, f := range l.feeds {
		f.lost()
	}
	if l.risks != "" && l.w.calm { // it exceeded a limit
		l.c.feeds = l.c.feeds[:len(l.c.feeds)/2]
	}
}

// receive handles bytes that were read.
func (l *simLink) receive(p []byte) {
	if l.closing && len(p) > 0 {
		l.w.failf("%v: %d bytes after the close frame", l.sock, len(p))
	}
	l.in = append(l.in, p...)
	for len(l.in) > 0 && l.w.err == nil && l.c.link == l {
		n := l.parse()
		if n == 0 {
			return
		}
		l.in = append(l.in[:0], l.in[n:]...)
	}
}

// parse handles the next item of in and returns its length.
func (l *simLink) parse() int {
	if !l.opened {
		n, err := l.answered()
		if err != nil && l.guilt == "" {
			l.w.failf("%v: the handshake was refused: %v", l.sock, err)
		}
		if err != nil {
			l.closing = true
			return len(l.in)
		}
		if n > 0 {
			l.read += n
			l.opened = true
			l.greet()
		}
		return n
	}
	if l.c.form == session.SockJSHTTP {
		return l.line()
	}
	ev, n, err := l.reader.Next(l.in, 1<<24)
	if err != nil {
		l.w.failf("%v: %v", l.sock, err)
		return 0
	}
	if len(l.message) == 0 {
		l.begun = l.read
	}
	l.read += n
	switch ev.Kind {
	case websocket.Data:
		l.message = append(l.message, ev.Payload...)
		if ev.Final {
			message := l.message
			l.message = nil
			if ev.Packed {
				message = l.inflate(message)
			}
			if l.c.form.Escaped() {
				l.unwrap(ev.Op, message)
			} else {
				l.frame(ev.Op, message)
			}
		}
	case websocket.Ping:
		if !l.c.mute {
			l.seal()
			l.raw(ws.OpPong, ev.Payload)
		}
	case websocket.Close:
		l.closeFrame(ev.Code, string(ev.Reason))
		if n < len(l.in) {
			l.w.failf("%v: %d bytes after the close frame", l.sock, len(l.in)-n)
		}
	}
	return n
}

func (l *simLink) closeFrame(code ws.StatusCode, reason string) {
	l.w.tracef("%v: close frame %d %s", l.sock, code, reason)
	l.closing = true
	if reason == "the token has expired" {
		l.expired()
	}
	fallen := l.c.topic.forgets() && code == session.CloseTryLater // behind what history has
	if !l.may() && !fallen {
		l.w.failf("%v: closed for no reason: %d %s", l.sock, code, reason)
	}
	if l.ends != int(code) && l.c.form.Escaped() && !l.leaving {
		l.w.failf("%v: closed with %d, but SockJS was told %d", l.sock, code, l.ends)
	}
	if len(l.message) > 0 {
		l.w.failf("%v: a message is cut by the close frame", l.sock)
	}
}

// frame handles one WebSocket message, which must be one whole STOMP frame.
func (l *simLink) frame(op ws.OpCode, message []byte) {
	if (op == ws.OpText) != utf8.Valid(message) {
		l.w.failf("%v: opcode %d for %q", l.sock, op, message)
	}
	if string(message) == "\n" {
		if l.sends == 0 || !l.connected {
			l.w.failf("%v: a heart-beat that nobody asked for", l.sock)
		}
		return
	}
	var f stomp.Frame
	var progress stomp.Progress
	n, err := l.decoder.Decode(message, l.c.version, &stomp.Limits{}, &progress, &f)
	if err != nil || n != len(message) || f.Command == stomp.None {
		l.w.failf("%v: not one whole frame (%d of %d bytes, %v): %.300q", l.sock, n, len(message), err, message)
		return
	}
	if l.errored {
		l.w.failf("%v: %v after ERROR", l.sock, f.Command)
	}
	switch f.Command {
	case stomp.Connected:
		l.onConnected(&f)
	case stomp.Receipt:
		l.onReceipt(&f)
	case stomp.MessageCommand:
		l.onMessage(&f)
	case stomp.ErrorCommand:
		l.onError(&f)
	default:
		l.w.failf("%v: the server sent %v", l.sock, f.Command)
	}
}

func header(f *stomp.Frame, name string) string {
	v, _ := f.Get(name)
	return string(v)
}

func (l *simLink) onConnected(f *stomp.Frame) {
	if l.connected || !l.greeted {
		l.w.failf("%v: CONNECTED out of place", l.sock)
	}
	if (header(f, "token-expires-in") != "") != (l.end != 0) {
		l.w.failf("%v: wrong end in CONNECTED: %s", l.sock, f.Headers)
	}
	if header(f, "version") != l.c.version.String() || header(f, "user-name") != l.c.user {
		l.w.failf("%v: wrong CONNECTED: %s", l.sock, f.Headers)
	}
	l.connected = true
	l.session = header(f, "session")
	l.w.tracef("%v: CONNECTED, session %s", l.sock, l.session)
	l.c.resubscribe(l)
}

func (l *simLink) onError(f *stomp.Frame) {
	l.w.tracef("%v: ERROR %s %s", l.sock, header(f, "code"), header(f, "message"))
	l.errored = true
	if l.risks != "" { // what exceeded a limit is not repeated
		l.c.feeds = slices.DeleteFunc(l.c.feeds, func(f *feed) bool { return f.pattern != nil })
	}
	if code := header(f, "code"); !contains(l.guilt+" "+l.risks, code) {
		l.w.failf("%v: ERROR %s: %s, but the client has done %q", l.sock, code, header(f, "message"), l.guilt+l.risks)
	}
}

func (l *simLink) onReceipt(f *stomp.Frame) {
	id := header(f, "receipt-id")
	if len(l.expects) == 0 || l.expects[0].id != id {
		l.w.failf("%v: RECEIPT %s out of turn, expected are %v", l.sock, id, l.expects)
		return
	}
	e := l.expects[0]
	l.expects = l.expects[1:]
	l.w.tracef("%v: RECEIPT %s for %v: %s", l.sock, id, e.what, f.Headers)
	for _, body := range e.bodies {
		if l.c.topic.bodies[body] == nil {
			l.w.failf("%v: RECEIPT for %q, which is not on the bus", l.sock, body)
		}
	}
	if e.feed != nil {
		e.feed.receipt(l, f, e.what)
	}
	if e.renews != nil {
		l.renewed(e.renews, f)
	}
}

func (l *simLink) onMessage(f *stomp.Frame) {
	id, named := f.Get("subscription")
	for _, sub := range l.feeds {
		if named && sub.id == string(id) || !named && sub.id == "" && sub.dest == header(f, "destination") {
			sub.message(l, f)
			return
		}
	}
	if l.guilt != "" && strings.HasPrefix(string(id), "more") {
		return // one above a limit
	}
	l.w.failf("%v: MESSAGE for %q, which is not subscribed: %s", l.sock, id, f.Headers)
}
