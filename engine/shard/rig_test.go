package shard

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"stentor/engine/bus"
	"stentor/engine/deflate"
	"stentor/engine/history"
	"stentor/engine/refusal"
	"stentor/engine/session"
	"stentor/engine/sockjs"
	"stentor/engine/websocket"
	"stentor/stomp"
)

// rig is one shard with one project, for tests of one thing. Everything happens when they say so.
type rig struct {
	lent     int // connections
	t        testing.TB
	s        *Shard
	now      int64
	step     time.Duration // of the wall clock, set by somebody
	expires  int64         // of tokens, unix seconds
	settings *Settings
	offset   int64
	woken    int
	crowd    int // Patience is a part of itself
	panics   int
	leaves   func()               // hears of it
	joins    refusal.Reason       // why nobody does
	form     session.Form         // of those who connect
	packer   *deflate.Packer      // of the pushes; nil: they have no compressed form
	joined   map[*history.Log]int // sessions that Join and Leave have counted
	closed   []*stubSocket
	refusals []refusal.Record
	declines *websocket.Refusal // what Plain and Admit answer

	tokens map[string]Identity // of renewals; others are refused
	// verifying are renewals that have no answer yet, when it is not nil.
	verifying *[]func(Identity, *session.Failure)

	refuses   error // SENDs
	published []*bus.Record
	inbound   []*bus.Inbound
	// forwarded are SENDs for the back ends that have no answer yet, when it is not nil.
	forwarded *[]func(error)
}

const rigProject = "p"

func newRig(t testing.TB, change ...func(*Settings)) *rig {
	r := &rig{t: t, leaves: func() {}, joined: map[*history.Log]int{}}
	r.settings = &Settings{
		Name: rigProject, Rights: simRights{}, Patterns: true, SlowTimeout: 30 * time.Second,
		History: history.NewLog(history.Bounds{Window: time.Hour, Bytes: 1 << 30}),
	}
	for _, f := range change {
		f(r.settings)
	}
	r.s = New(Config{
		Session: session.Config{
			HandshakeBytes: 2048, ConnectFrameBytes: 16384, FrameBytes: 65536, Headers: 64, HeaderBytes: 16384,
			IDBytes: 128, DestinationBytes: 1024, Unanswered: 64, InputBytes: 256 << 10, TransactionBytes: 1 << 20, Sends: 10_000, Receives: 10_000,
		},
		Limits: Limits{
			HandshakeTimeout: 10 * time.Second, ConnectTimeout: 60 * time.Second, Ping: 30 * time.Second,
			FramesPerSecond: 1 << 20, Subscriptions: 100, Patterns: 1000, PatternSteps: 4000, UserPatternSteps: 500, ReplyBytes: 64 << 10,
		},
		Credentials: []string{"token", "projectId", "Authorization", "login", "passcode"},

		Now:  func() int64 { return r.now },
		Wall: func() time.Time { return simWall.Add(r.step + time.Duration(r.now)) },
	}, r)
	begin := bus.Position{Epoch: 1}
	r.settings.History.Begin(begin)
	r.s.SetProject(r.settings)
	r.s.Begin(rigProject, begin)
	return r
}

// stubSocket takes everything, unless it is told otherwise.
type stubSocket struct {
	r        *rig
	conn     *Conn
	buffered int
	writes   int
	bytes    int
	kept     []byte // what was written, when keep is set
	keep     bool
	onWrite  func(p []byte) error
	looks    int
	cost     int64 // ns of a write
}

func (k *stubSocket) Write(p []byte) (int, error) {
	k.writes++
	k.bytes += len(p)
	k.r.now += k.cost
	if k.keep {
		k.kept = append(k.kept, p...)
	}
	if k.onWrite != nil {
		if err := k.onWrite(p); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func (k *stubSocket) OutboundBuffered() int {
	k.looks++
	return k.buffered
}

var errStub = errors.New("the socket is closed")

// fail is what a Write does on a closed socket.
func (k *stubSocket) fail([]byte) error {
	k.r.s.Gone(k.conn)
	return errStub
}

func (r *rig) Plain(_ *websocket.Request, peer Peer, dst []byte) ([]byte, netip.AddrPort, *websocket.Refusal) {
	return dst, peer.Address, r.declines
}

func (r *rig) Admit(request *websocket.Request, peer Peer) (Admission, *websocket.Refusal) {
	if r.form == session.Deflated { // the handshake will agree on it
		request.Compress = websocket.CompressAlways
		return Admission{Address: peer.Address}, nil
	}
	return Admission{Address: peer.Address, Form: r.form}, r.declines
}

func (r *rig) Authenticate(c Credentials, _ func(Identity, *session.Failure)) (Identity, *session.Failure, bool) {
	user, _ := c.Header("user")
	return Identity{Project: r.settings, User: user, Expires: r.expires}, nil, true
}

func (r *rig) Token(header func(string) (string, bool)) string {
	token, _ := header("token")
	return token
}

// wrongToken is the failure of a token that nobody knows.
var wrongToken = &session.Failure{Reason: refusal.TokenInvalid, Code: session.CodeAuth, Text: "Failed to send message, wrong", Close: session.CloseProtocol}

// verifierBusy is that of a token that could not be verified.
var verifierBusy = &session.Failure{Reason: refusal.TokenQueue, Text: "busy", Close: session.CloseTryLater, Silent: true}

func (r *rig) Renew(project, token string, _ netip.AddrPort, done func(Identity, *session.Failure)) (Identity, *session.Failure, bool) {
	if project != rigProject {
		r.t.Errorf("the token of a session of %q is renewed", project)
	}
	if r.verifying != nil {
		*r.verifying = append(*r.verifying, done)
		return Identity{}, nil, false
	}
	if id, ok := r.tokens[token]; ok {
		return id, nil, true
	}
	return Identity{}, wrongToken, true
}

func (r *rig) Publish(rec *bus.Record, done func(bus.Position, error)) {
	r.published = append(r.published, rec)
	done(bus.Position{}, nil)
}

func (r *rig) Allow(*Settings, Holder, int, int) error { return r.refuses }

func (r *rig) Join(s *Settings, _ string) refusal.Reason {
	if r.joins == refusal.None {
		r.joined[s.History]++
	}
	return r.joins
}

func (r *rig) Leave(s *Settings, _ string) {
	r.joined[s.History]--
	r.leaves()
}

func (r *rig) Known(netip.AddrPort) {}
func (r *rig) Patience(quiet time.Duration) time.Duration {
	return quiet / time.Duration(1+r.crowd)
}
func (r *rig) Release(netip.AddrPort, bool)     { r.leaves() }
func (r *rig) Stranger(netip.AddrPort)          {}
func (r *rig) Lend(*Conn, Socket, Peer, []byte) { r.lent++ }
func (r *rig) CloseWrite(Socket)                {}
func (r *rig) Close(s Socket, _ refusal.Reason) { r.close(s.(*stubSocket)) }
func (r *rig) Wake()                            { r.woken++ }
func (r *rig) Panicked(string, any)             { r.panics++ }
func (r *rig) Refused(one refusal.Record) {
	one.Subject = strings.Clone(one.Subject)
	r.refusals = append(r.refusals, one)
}

// met is how often somebody was refused for a reason.
func (r *rig) met(why refusal.Reason) (n int) {
	for _, one := range r.refusals {
		if one.Reason == why {
			n++
		}
	}
	return n
}

func (r *rig) Forward(m *bus.Inbound, done func(error)) {
	r.inbound = append(r.inbound, m)
	if r.forwarded == nil {
		done(nil)
		return
	}
	*r.forwarded = append(*r.forwarded, done)
}

func (r *rig) close(k *stubSocket) {
	r.closed = append(r.closed, k)
	r.s.Gone(k.conn)
}

// open is a socket that was just accepted.
func (r *rig) open() *stubSocket {
	k := &stubSocket{r: r}
	k.conn = r.s.Open(k, netip.MustParseAddrPort("10.0.0.1:1"))
	return k
}

// connect opens a session of user. more are headers of its CONNECT.
func (r *rig) connect(user string, more ...string) *stubSocket {
	var k *stubSocket
	if r.form == session.SockJSHTTP {
		k = &stubSocket{r: r}
		k.conn = r.s.OpenSession(k, &Admission{Form: r.form})
		k.send(stomp.Connect, append([]string{"accept-version", "1.2", "user", user}, more...)...)
		return k
	}
	k = r.open()
	r.s.Input(k.conn, websocket.AppendRequest(nil, "host", "/ws", "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Extensions: permessage-deflate"))
	k.send(stomp.Connect, append([]string{"accept-version", "1.2", "user", user}, more...)...)
	if k.conn.sess.Phase != session.Connected {
		r.t.Fatal("not connected")
	}
	return k
}

// send is a frame of the client.
func (k *stubSocket) send(cmd stomp.Command, headers ...string) {
	f := stomp.Frame{Command: cmd}
	for i := 0; i < len(headers); i += 2 {
		f.Headers = append(f.Headers, stomp.Header{Name: []byte(headers[i]), Value: []byte(headers[i+1])})
	}
	frame := stomp.AppendFrame(nil, stomp.V12, &f)
	switch k.conn.sess.Form {
	case session.SockJS:
		frame = sockjs.AppendMessage(nil, frame)[len("a"):]
	case session.SockJSHTTP:
		k.r.s.Input(k.conn, frame)
		return
	}
	k.r.s.Input(k.conn, websocket.AppendMasked(nil, ws.OpText, [4]byte{1, 2, 3, 4}, frame))
}

func (k *stubSocket) subscribe(dest, id string, more ...string) {
	k.send(stomp.Subscribe, append([]string{"destination", dest, "id", id}, more...)...)
}

// entry is a push with a body of size bytes that history has; it is not handed to the shard yet.
func (r *rig) entry(rec bus.Record, size int) *history.Entry {
	if rec.Project = rigProject; rec.Body == nil {
		rec.Body = make([]byte, size)
	}
	var packed []byte
	if r.packer != nil {
		packed = r.packer.Pack(nil, rec.Body, []byte{0})
	}
	e := history.NewPackedEntry(bus.Position{Epoch: 1, Offset: r.offset}, &rec, packed, r.now, 0)
	r.offset++
	if _, taken := r.settings.History.Append(e, 1); !taken {
		r.t.Fatal("history does not take the push")
	}
	return e
}

// hand hands e over as the bus's reader does with one that comes alone.
func (r *rig) hand(e *history.Entry) {
	r.s.Hand(rigProject, e)
	r.s.Flush()
}

// push publishes to a destination.
func (r *rig) push(dest string, size int) *history.Entry {
	e := r.entry(bus.Record{Destination: dest}, size)
	r.hand(e)
	return e
}

// pushUser publishes to a user.
func (r *rig) pushUser(user, dest string, size int) *history.Entry {
	e := r.entry(bus.Record{Destination: dest, User: user}, size)
	r.hand(e)
	return e
}

// run works until nothing is left to do.
func (r *rig) run() {
	for r.s.Run() {
	}
}

// tick lets 20 ms pass.
func (r *rig) tick() {
	r.now += tickTime
	r.s.Tick()
	r.run()
}

// fill connects n clients that subscribe to dest, with ids made by id.
func (r *rig) fill(n int, dest string, id func(int) string) (all []*stubSocket) {
	for i := range n {
		k := r.connect(fmt.Sprint("user", i))
		k.subscribe(dest, id(i))
		all = append(all, k)
	}
	return all
}

func sameID(int) string { return "sub-0" }
