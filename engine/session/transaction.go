package session

import (
	"unsafe"

	"github.com/gobwas/ws"

	"stentor/engine/refusal"
	"stentor/stomp"
)

type closeCode = ws.StatusCode

// maxTransactions bounds the open transactions of a session.
const maxTransactions = 16

// maxParts bounds how many frames a transaction has: they are carried out in one turn.
const maxParts = 4096

// What a kept frame takes beside its bytes: itself with its place among the others, and each of its headers.
const (
	frameCost  = 128
	headerCost = int(unsafe.Sizeof(stomp.Header{}))
)

// transaction keeps the frames that COMMIT carries out.
type transaction struct {
	frames []*stomp.Frame
	bytes  int
}

// transact handles BEGIN, COMMIT and ABORT. Those still open at the end of a session are aborted with it.
func (m *Machine) transact(s *Session, f *stomp.Frame, ev Event) Event {
	name, ok := f.Get("transaction")
	if !ok || len(name) == 0 {
		return failed(protocolFailure("the header transaction is missing"))
	}
	var open *transaction
	if s.owed != nil {
		open = s.owed.txs[string(name)]
	}
	if f.Command == stomp.Begin {
		return m.begin(s, name, open, ev)
	}
	if open == nil {
		return failed(protocolFailure("no such transaction is open"))
	}
	delete(s.owed.txs, string(name))
	s.owed.txBytes -= open.bytes
	s.freeOwed()
	if f.Command == stomp.Abort {
		ev.Kind = Abort
		return ev
	}
	ev.Kind = Commit
	m.parts = open.frames
	return ev
}

// Parts calls do with the event of each frame of the transaction that the last event, a Commit, carries out, in order,
// until do returns false. Meanwhile that frame is m.Frame. It may be called again.
func (m *Machine) Parts(s *Session, do func(*Event) bool) {
	commit := m.Frame
	defer func() { m.Frame = commit }()
	for _, f := range m.parts {
		m.Frame = *f
		if ev := m.check(s); !do(&ev) {
			return
		}
	}
}

func (m *Machine) begin(s *Session, name []byte, open *transaction, ev Event) Event {
	ev.Kind = Begin
	switch {
	case open != nil:
		return failed(protocolFailure("this transaction is already open"))
	case len(name) > m.conf.IDBytes:
		return failed(Limited(refusal.IDBytes, "the transaction's name is too long"))
	}
	o := s.owe()
	if len(o.txs) >= maxTransactions {
		return failed(Limited(refusal.TransactionBytes, "too many transactions are open"))
	}
	if o.txs == nil {
		o.txs = map[string]*transaction{}
	}
	o.txs[string(name)] = &transaction{bytes: len(name) + frameCost}
	o.txBytes += len(name) + frameCost
	return ev
}

// postpone keeps a frame for the COMMIT of its transaction. Its receipt is due now: the frame has been processed as
// far as it can be.
func (m *Machine) postpone(s *Session, name []byte, f *stomp.Frame, ev Event) Event {
	var open *transaction
	if s.owed != nil {
		open = s.owed.txs[string(name)]
	}
	if open == nil {
		return failed(protocolFailure("no such transaction is open"))
	}
	size := frameCost + len(f.Body)
	for _, h := range f.Headers {
		size += headerCost + len(h.Name) + len(h.Value)
	}
	if len(open.frames) >= maxParts {
		return failed(Limited(refusal.TransactionBytes, "the transaction has too many frames"))
	}
	if s.owed.txBytes+size > m.conf.TransactionBytes {
		return failed(Limited(refusal.TransactionBytes, "the open transactions are too large"))
	}
	open.frames = append(open.frames, clone(f))
	open.bytes += size
	s.owed.txBytes += size
	if ev.HasReceipt {
		m.Receipt(s, ev.Receipt, "")
	}
	return Event{Kind: Alive}
}

// clone copies a frame, without the headers that were handled when it was postponed. All its bytes are one piece.
func clone(f *stomp.Frame) *stomp.Frame {
	done := func(h *stomp.Header) bool { return string(h.Name) == "receipt" || string(h.Name) == "transaction" }
	size, left := len(f.Body), 0
	for i := range f.Headers {
		if h := &f.Headers[i]; !done(h) {
			size += len(h.Name) + len(h.Value)
			left++
		}
	}
	buf := make([]byte, 0, size)
	copied := func(b []byte) []byte {
		start := len(buf)
		buf = append(buf, b...)
		return buf[start:len(buf):len(buf)]
	}
	c := &stomp.Frame{Command: f.Command, Headers: make([]stomp.Header, 0, left)}
	for i := range f.Headers {
		if h := &f.Headers[i]; !done(h) {
			c.Headers = append(c.Headers, stomp.Header{Name: copied(h.Name), Value: copied(h.Value)})
		}
	}
	c.Body = copied(f.Body)
	return c
}
