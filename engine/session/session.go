package session

import (
	"unsafe"

	"stentor/engine/sockjs"
	"stentor/engine/websocket"
	"stentor/stomp"
)

// Phase is how far a client has come.
type Phase uint8

const (
	// Handshake: the HTTP request that opens the WebSocket is not complete.
	Handshake Phase = iota
	// Greeting: the WebSocket is open, CONNECT has not come. Without STOMP: the WebSocket is open.
	Greeting
	// Authenticating: CONNECT is being verified; input behind it waits.
	Authenticating
	// Connected: CONNECTED was sent.
	Connected
	// Leaving: the client sent DISCONNECT; answers that it still waits for are on their way.
	Leaving
	// Closing: the last bytes were written; input is discarded.
	Closing
	// Elsewhere: somebody else serves the connection.
	Elsewhere
)

// Opened reports whether the client can read frames.
func (p Phase) Opened() bool { return p != Handshake && p != Elsewhere }

// Session is the protocol state of one client. The zero value is a client that has just been accepted.
type Session struct {
	reader  websocket.Reader
	partial *partial
	owed    *owed
	// Phase is advanced by the Machine, except that the owner sets Connected after authentication.
	Phase   Phase
	Version stomp.Version
	Form    Form // set by the owner's check, or by Open; the handshake may make it Deflated
	// Pauses is the owner's: it has asked for the turn that goes on with what Wire.Paused left.
	Pauses bool
}

// partial is input that waits for more. It exists only while there is some.
type partial struct {
	raw      []byte // not yet parsed: part of the handshake, of a frame header, or anything while authenticating
	scanned  int    // how much of raw the handshake search has seen
	packed   []byte // the beginning of a compressed message
	frame    []byte // the beginning of a STOMP frame
	progress stomp.Progress
	late     bool           // some of it waited for the session to go on
	array    sockjs.Decoder // within a message of SockJS
}

// Buffered is how many bytes of input the session holds.
func (s *Session) Buffered() int {
	if s.partial == nil {
		return 0
	}
	return len(s.partial.raw) + len(s.partial.packed) + len(s.partial.frame)
}

// waits reports whether input is kept unread.
func (s *Session) waits() bool {
	return s.Phase == Authenticating || s.owed != nil && s.owed.full
}

// Late reports whether some of the kept input arrived while the session could not go on.
func (s *Session) Late() bool { return s.partial != nil && s.partial.late }

// Memory that is held beside the bytes: each piece with its place.
const (
	partialCost = int(unsafe.Sizeof(partial{}))
	owedCost    = int(unsafe.Sizeof(owed{}))
	answerCost  = int(unsafe.Sizeof(answer{}))
)

// Held is how many bytes the session takes beside itself: input, answers that are owed, transactions.
func (s *Session) Held() (bytes int) {
	if p := s.partial; p != nil {
		bytes += partialCost + cap(p.raw) + cap(p.packed) + cap(p.frame)
	}
	if o := s.owed; o != nil {
		bytes += owedCost + cap(o.answers)*answerCost + o.held + o.txBytes
	}
	return bytes
}

func (s *Session) part() *partial {
	if s.partial == nil {
		s.partial = &partial{}
	}
	return s.partial
}

// owed is what the session owes the client, or the client the session. It exists only while something is owed.
type owed struct {
	answers []answer
	held    int    // bytes of their receipts and lines, and those of Await
	full    bool   // the bound on answers was reached, and not many have been given since
	next    uint32 // token of the next answer
	txs     map[string]*transaction
	txBytes int
}

func (s *Session) owe() *owed {
	if s.owed == nil {
		s.owed = &owed{}
	}
	return s.owed
}

// freeOwed frees owed when nothing is left in it.
func (s *Session) freeOwed() {
	if o := s.owed; o != nil && len(o.answers) == 0 && len(o.txs) == 0 {
		s.owed = nil
	}
}

// abort forgets the transactions that are open.
func (s *Session) abort() {
	if o := s.owed; o != nil {
		o.txs, o.txBytes = nil, 0
		s.freeOwed()
	}
}
