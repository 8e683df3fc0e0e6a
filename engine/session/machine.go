package session

import (
	"bytes"
	"unicode/utf8"

	gobwas "github.com/gobwas/ws"

	"stentor/engine/ws"
	"stentor/stomp"
)

// Config is what a Machine allows and offers.
type Config struct {
	HandshakeBytes    int // header block of the handshake
	ConnectFrameBytes int // a frame, and what waits behind it, before authentication
	FrameBytes        int // body of a frame afterwards
	Headers           int // header lines of a frame
	HeaderBytes       int // all header lines of a frame
	IDBytes           int // id of a subscription
	DestinationBytes  int
	Unanswered        int // answers that wait for the bus, a session
	TransactionBytes  int // open transactions, a session
	// Sends and Receives are the server's heart-beat offer in milliseconds (0: none).
	Sends, Receives uint32
}

// Machine holds what the sessions of one event loop share. Out collects the answers of a turn, WebSocket-framed; the
// owner writes and resets it.
type Machine struct {
	Out   []byte
	Frame stomp.Frame // the frame of the last STOMP event

	conf       Config
	before     stomp.Limits
	after      stomp.Limits
	handshaker ws.Handshaker
	decoder    stomp.Decoder

	in     []byte // WebSocket bytes of this turn, not yet parsed
	data   []byte // STOMP bytes out of them, not yet decoded
	joined []byte // scratch: kept input and new input in one piece
	text   []byte // scratch: a STOMP frame before it is framed
	replay []*stomp.Frame
	commit Event
}

// NewMachine returns a Machine. check decides over a complete handshake request (nil accepts); it runs inside Next.
func NewMachine(conf Config, check func(*ws.Request) *ws.Refusal) *Machine {
	return &Machine{
		conf: conf,
		before: stomp.Limits{
			Headers: conf.Headers, LineBytes: conf.ConnectFrameBytes, HeaderBytes: conf.ConnectFrameBytes,
			BodyBytes: conf.ConnectFrameBytes,
		},
		after: stomp.Limits{
			Headers: conf.Headers, LineBytes: conf.HeaderBytes, HeaderBytes: conf.HeaderBytes, BodyBytes: conf.FrameBytes,
		},
		handshaker: ws.Handshaker{
			Check: check, Protocols: []string{"v10.stomp", "v11.stomp", "v12.stomp"}, MaxHeader: conf.HandshakeBytes,
		},
	}
}

// frameSlack is what a WebSocket frame may hold beside one whole STOMP frame: its headers, and frames behind it.
const frameSlack = 64 << 10

func (m *Machine) maxFrame() uint64 {
	return uint64(m.conf.FrameBytes + m.conf.HeaderBytes + frameSlack)
}

// Begin starts a turn of s with new input, which the Machine may change and which must stay until End.
func (m *Machine) Begin(s *Session, in []byte) {
	m.in, m.data, m.replay = in, nil, nil
	m.forget()
	if p := s.partial; p != nil && len(p.raw) > 0 {
		m.joined = append(append(m.joined[:0], p.raw...), in...)
		m.in = m.joined
		p.raw = nil
	}
}

// Next returns the next event of s.
func (m *Machine) Next(s *Session) Event {
	for {
		switch s.Phase {
		case Closing, Leaving:
			m.in, m.data = nil, nil
			return Event{Kind: More}
		case Authenticating:
			if len(m.in)+len(m.data)+s.Buffered() > m.conf.ConnectFrameBytes {
				m.in, m.data = nil, nil
				return failed(&Failure{CodeTooLarge, "too much was sent before CONNECTED", CloseTooLarge, false})
			}
			return Event{Kind: More}
		case Handshake:
			return m.handshake(s)
		}
		if ev, ok := m.replayed(s); ok {
			return ev
		}
		if ev, ok := m.decode(s); ok {
			return ev
		}
		if len(m.in) == 0 {
			return Event{Kind: More}
		}
		if ev, ok := m.read(s); ok {
			return ev
		}
	}
}

// End finishes the turn: what is left of the input is kept in s.
func (m *Machine) End(s *Session) {
	if s.Phase >= Leaving {
		s.partial = nil
	} else {
		if len(m.data) > 0 {
			s.part().frame = append(bytes.Clone(m.data), s.partial.frame...)
		}
		if len(m.in) > 0 {
			s.part().raw = bytes.Clone(m.in)
		}
		if p := s.partial; p != nil && len(p.raw) == 0 && len(p.frame) == 0 {
			s.partial = nil
		}
	}
	m.in, m.data, m.replay = nil, nil, nil
	const keep = 256 << 10
	if cap(m.joined) > keep {
		m.joined = nil
	}
}

// forget empties Frame, so that an answer never speaks of an earlier frame, or of another client's.
func (m *Machine) forget() {
	m.Frame.Command, m.Frame.Headers, m.Frame.Body = stomp.None, m.Frame.Headers[:0], nil
}

func (m *Machine) handshake(s *Session) Event {
	if len(m.in) == 0 {
		return Event{Kind: More}
	}
	scanned := 0
	if s.partial != nil {
		scanned = s.partial.scanned
	}
	n, _, out, refusal := m.handshaker.Next(m.in, scanned, m.Out)
	m.Out = out
	switch {
	case refusal != nil:
		s.Phase = Closing
		return Event{Kind: Refused}
	case n == 0:
		s.part().scanned = len(m.in)
		return Event{Kind: More}
	}
	m.in = m.in[n:]
	s.Phase = Greeting
	return Event{Kind: Upgraded}
}

// read takes one WebSocket event from the input. ok is false when it only brought STOMP bytes, or nothing.
func (m *Machine) read(s *Session) (ev Event, ok bool) {
	e, n, err := s.reader.Next(m.in, m.maxFrame())
	if err != nil {
		return failed(wsFailure(err)), true
	}
	if n == 0 {
		return Event{Kind: More}, true
	}
	m.in = m.in[n:]
	m.forget()
	switch e.Kind {
	case ws.Ping:
		m.Out = ws.AppendFrame(m.Out, gobwas.OpPong, e.Payload)
	case ws.Close:
		s.Phase = Closing
		m.Out = ws.AppendClose(m.Out, answerTo(e.Code), "")
		return Event{Kind: Closed}, true
	case ws.Data:
		m.data = e.Payload
		if len(m.data) > 0 {
			return Event{}, false
		}
	}
	return Event{Kind: Alive}, true
}

// answerTo echoes a close code; a close frame without one is answered with 1000 (RFC 6455 section 5.5.1).
func answerTo(code gobwas.StatusCode) gobwas.StatusCode {
	if code == 0 || code == gobwas.StatusNoStatusRcvd {
		return CloseNormal
	}
	return code
}

func wsFailure(err error) *Failure {
	e := err.(*ws.Error)
	return &Failure{Code: CodeProtocol, Text: e.Text, Close: e.Code, Silent: true}
}

func failed(f *Failure) Event { return Event{Kind: Failed, Failure: f} }

// decode takes one STOMP frame from the data of this turn and what was kept before it.
func (m *Machine) decode(s *Session) (ev Event, ok bool) {
	p := s.partial
	limits := &m.after
	if s.Phase == Greeting {
		limits = &m.before
	}
	if p == nil || len(p.frame) == 0 {
		if len(m.data) == 0 {
			return Event{}, false
		}
		var progress stomp.Progress
		n, err := m.decoder.Decode(m.data, s.Version, limits, &progress, &m.Frame)
		if err != nil {
			return failed(decodeFailure(err)), true
		}
		if n == 0 {
			p = s.part()
			p.frame, p.progress = keep(nil, m.data, &progress), progress
			m.data = nil
			return Event{}, false
		}
		m.data = m.data[n:]
		return m.check(s), true
	}
	if len(m.data) > 0 {
		p.frame = keep(p.frame, m.data, &p.progress)
		m.data = nil
	}
	n, err := m.decoder.Decode(p.frame, s.Version, limits, &p.progress, &m.Frame)
	if err != nil {
		return failed(decodeFailure(err)), true
	}
	if n == 0 {
		return Event{}, false
	}
	m.data = p.frame[n:]
	p.frame, p.progress = nil, stomp.Progress{}
	return m.check(s), true
}

// keep appends data to a kept frame: at once to its full size when that is known, else by a quarter.
func keep(frame, data []byte, progress *stomp.Progress) []byte {
	need := len(frame) + len(data)
	if need > cap(frame) {
		size := max(need, progress.Need())
		if frame != nil {
			size = max(size, len(frame)+len(frame)/4)
		}
		grown := make([]byte, len(frame), size)
		copy(grown, frame)
		frame = grown
	}
	return append(frame, data...)
}

// put frames m.text as one WebSocket message: text when it is UTF-8, binary otherwise.
func (m *Machine) put() {
	op := gobwas.OpText
	if !utf8.Valid(m.text) {
		op = gobwas.OpBinary
	}
	m.Out = ws.AppendFrame(m.Out, op, m.text)
}

// HeartbeatFrame is a heart-beat, a text message of one EOL, and PingFrame an empty ping, both ready for the wire.
var (
	HeartbeatFrame = ws.AppendFrame(nil, gobwas.OpText, []byte("\n"))
	PingFrame      = ws.AppendFrame(nil, gobwas.OpPing, nil)
)
