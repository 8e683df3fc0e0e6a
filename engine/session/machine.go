package session

import (
	"bytes"

	"stentor/engine/refusal"
	"stentor/engine/websocket"
	"stentor/stomp"
)

// Config is what a Machine allows and offers.
type Config struct {
	HandshakeBytes    int // header block of the handshake
	ConnectFrameBytes int // a frame, and the input behind it, before authentication
	FrameBytes        int // body of a frame afterwards
	Headers           int // header lines of a frame
	HeaderBytes       int // all header lines of a frame
	IDBytes           int // id of a subscription
	DestinationBytes  int
	Unanswered        int // answers that wait for the bus, a session; then its input waits
	InputBytes        int // such waiting input, beside one frame; also the bound of what owed answers hold
	TransactionBytes  int // open transactions, a session
	// Elsewhere reports whether requests of a path are served elsewhere, see websocket.Handshaker; nil: none are.
	Elsewhere func(path string) bool
	// Sends and Receives are the server's heart-beat offer in milliseconds (0: none).
	Sends, Receives uint32
}

// Machine holds what the sessions of one event loop share: the Wire with the bytes to write, and STOMP on top of it.
type Machine struct {
	Wire
	Frame stomp.Frame // the frame of the last STOMP event; empty between turns

	conf    Config
	before  stomp.Limits
	after   stomp.Limits
	decoder stomp.Decoder

	data  []byte         // STOMP bytes of this turn, not yet decoded
	text  []byte         // scratch: a STOMP frame before it is framed
	parts []*stomp.Frame // of the transaction that the last event commits
	array []byte         // scratch: STOMP bytes of a piece of a client's array
}

// NewMachine returns a Machine. check decides on a complete handshake request (nil accepts), plain on a request that is not
// for a WebSocket, see websocket.Handshaker (nil refuses); they run inside Next.
func NewMachine(conf Config, check func(*websocket.Request) *websocket.Refusal, plain func(*websocket.Request, []byte) ([]byte, *websocket.Refusal)) *Machine {
	return &Machine{
		conf: conf,
		before: stomp.Limits{
			Headers: conf.Headers, LineBytes: conf.ConnectFrameBytes, HeaderBytes: conf.ConnectFrameBytes,
			BodyBytes: conf.ConnectFrameBytes,
		},
		after: stomp.Limits{
			Headers: conf.Headers, LineBytes: conf.HeaderBytes, HeaderBytes: conf.HeaderBytes, BodyBytes: conf.FrameBytes,
		},
		Wire: Wire{
			handshaker: websocket.Handshaker{
				Check: check, Plain: plain, Protocols: []string{"v10.stomp", "v11.stomp", "v12.stomp"}, MaxHeader: conf.HandshakeBytes,
				Elsewhere: conf.Elsewhere,
			},
			maxFrame: uint64(conf.FrameBytes + conf.HeaderBytes + frameSlack),
			greeting: conf.ConnectFrameBytes,
			turn:     turnBytes,
		},
	}
}

// frameSlack is how many bytes a WebSocket frame may hold beside one whole STOMP frame: its headers, and frames behind it.
const frameSlack = 64 << 10

// Begin starts a turn of s with new input, which the Machine may change and which must stay until End.
func (m *Machine) Begin(s *Session, in []byte) {
	m.reset()
	m.Wire.Begin(s, in)
}

// Next returns the next event of s.
func (m *Machine) Next(s *Session) Event {
	for {
		switch s.Phase {
		case Handshake, Leaving, Closing, Elsewhere:
			m.data = nil
		case Authenticating:
			return m.wait(s, m.conf.ConnectFrameBytes, tooEarly)
		default:
			if s.waits() {
				return m.wait(s, m.conf.InputBytes+m.conf.FrameBytes+m.conf.HeaderBytes, tooMuchInput)
			}
			if ev, ok := m.decode(s); ok {
				return ev
			}
			if len(m.in) == 0 {
				return Event{Kind: More}
			}
		}
		m.forget()
		kind, failure := m.Wire.Next(s)
		switch {
		case kind == Closed:
			s.owed = nil
		case kind == Data:
			if s.Form == SockJS {
				if failure = m.unwrap(s); failure != nil {
					return failed(failure)
				}
			}
			if m.data = m.Piece.Payload; len(m.data) > 0 {
				continue
			}
			kind = Alive
		case kind == More && m.Paused:
			return m.wait(s, m.conf.InputBytes+m.conf.FrameBytes+m.conf.HeaderBytes, tooMuchInput)
		}
		return Event{Kind: kind, Failure: failure}
	}
}

// wait keeps the rest of the input, most bytes at most, until the session can go on.
func (m *Machine) wait(s *Session, most int, tooMuch *Failure) Event {
	if len(m.in)+len(m.data)+s.Buffered() <= most {
		return Event{Kind: More}
	}
	m.in, m.data = nil, nil
	m.forget()
	return failed(tooMuch)
}

var (
	tooEarly     = &Failure{Reason: refusal.ConnectFrameBytes, Code: CodeTooLarge, Text: "too much was sent before CONNECTED", Close: CloseTooLarge}
	tooMuchInput = Limited(refusal.InputBytes, "too much was sent while earlier frames wait for their answers")
)

// End finishes the turn: what is left of the input is kept in s.
func (m *Machine) End(s *Session) {
	if len(m.data) > 0 && s.Phase < Leaving {
		s.part().frame = append(bytes.Clone(m.data), s.partial.frame...)
	}
	m.reset()
	m.Wire.End(s)
}

// reset releases what belongs to one turn.
func (m *Machine) reset() {
	m.data, m.parts = nil, nil
	m.forget()
}

// forget empties Frame, so that an answer never speaks of an earlier frame, or of another client's.
func (m *Machine) forget() {
	m.Frame.Command, m.Frame.Headers, m.Frame.Body = stomp.None, m.Frame.Headers[:0], nil
}

func failed(f *Failure) Event { return Event{Kind: Failed, Failure: f} }

// decode takes one STOMP frame from the data of this turn and what was kept before it.
func (m *Machine) decode(s *Session) (ev Event, ok bool) {
	p := s.partial
	limits, limit := &m.after, refusal.FrameBytes
	if s.Phase == Greeting {
		limits, limit = &m.before, refusal.ConnectFrameBytes
	}
	if p == nil || len(p.frame) == 0 {
		if len(m.data) == 0 {
			return Event{}, false
		}
		var progress stomp.Progress
		n, err := m.decoder.Decode(m.data, s.Version, limits, &progress, &m.Frame)
		if err != nil {
			return failed(decodeFailure(err, limit)), true
		}
		if n == 0 {
			p = s.part()
			p.frame, p.progress = grow(nil, m.data, progress.Need()), progress
			m.data = nil
			return Event{}, false
		}
		m.data = m.data[n:]
		return m.check(s), true
	}
	if len(m.data) > 0 {
		p.frame = grow(p.frame, m.data, p.progress.Need())
		m.data = nil
	}
	n, err := m.decoder.Decode(p.frame, s.Version, limits, &p.progress, &m.Frame)
	if err != nil {
		return failed(decodeFailure(err, limit)), true
	}
	if n == 0 {
		return Event{}, false
	}
	m.data = p.frame[n:]
	p.frame, p.progress = nil, stomp.Progress{}
	return m.check(s), true
}

// grow appends data to what is kept: at once to its full size when that is known (0: it is not), else by a quarter.
func grow(kept, data []byte, full int) []byte {
	need := len(kept) + len(data)
	if need > cap(kept) {
		size := max(need, full)
		if kept != nil {
			size = max(size, len(kept)+len(kept)/4)
		}
		grown := make([]byte, len(kept), size)
		copy(grown, kept)
		kept = grown
	}
	return append(kept, data...)
}

// put frames m.text, one STOMP frame, as the form of s wants it.
func (m *Machine) put(s *Session) { m.Out = s.Form.append(m.Out, m.text) }

// Open begins a session of this form that needs no handshake.
func (m *Machine) Open(s *Session, f Form) {
	s.Phase, s.Form = Greeting, f
	m.Out = f.appendOpen(m.Out)
}
