package session

import (
	"bytes"

	"github.com/gobwas/ws"

	"stentor/stomp"
)

type closeCode = ws.StatusCode

// maxTransactions bounds how many transactions a session has open.
const maxTransactions = 16

// frameCost is what a kept frame costs beside its bytes.
const frameCost = 128

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
	s.settle()
	if f.Command == stomp.Abort {
		ev.Kind = Abort
		return ev
	}
	ev.Kind = Commit
	if len(open.frames) == 0 {
		return ev
	}
	ev.Receipt = bytes.Clone(ev.Receipt)
	m.commit, m.replay = ev, open.frames
	first, _ := m.replayed(s)
	return first
}

func (m *Machine) begin(s *Session, name []byte, open *transaction, ev Event) Event {
	ev.Kind = Begin
	switch {
	case open != nil:
		return failed(protocolFailure("this transaction is open already"))
	case len(name) > m.conf.IDBytes:
		return failed(limitFailure("the transaction's name is too long"))
	}
	o := s.owe()
	if len(o.txs) >= maxTransactions {
		return failed(limitFailure("too many transactions are open"))
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
		size += len(h.Name) + len(h.Value)
	}
	if s.owed.txBytes+size > m.conf.TransactionBytes {
		return failed(limitFailure("the open transactions are too large"))
	}
	open.frames = append(open.frames, clone(f))
	open.bytes += size
	s.owed.txBytes += size
	if ev.HasReceipt && !m.Receipt(s, ev.Receipt, "") {
		return failed(tooManyAnswers)
	}
	return Event{Kind: Alive}
}

var tooManyAnswers = limitFailure("too many frames are waiting for their answer")

// TooManyAnswers is the failure of a session whose Receipt or Await was refused.
func TooManyAnswers() *Failure { return tooManyAnswers }

// replayed returns the next frame of a transaction that is being committed, and the COMMIT itself behind the last.
func (m *Machine) replayed(s *Session) (ev Event, ok bool) {
	if m.replay == nil {
		return Event{}, false
	}
	if len(m.replay) == 0 {
		m.replay = nil
		return m.commit, true
	}
	m.Frame = *m.replay[0]
	m.replay = m.replay[1:]
	return m.check(s), true
}

// clone copies a frame, without the headers that were dealt with when it was postponed.
func clone(f *stomp.Frame) *stomp.Frame {
	c := &stomp.Frame{Command: f.Command, Body: bytes.Clone(f.Body)}
	for _, h := range f.Headers {
		if name := string(h.Name); name != "receipt" && name != "transaction" {
			c.Headers = append(c.Headers, stomp.Header{Name: []byte(name), Value: bytes.Clone(h.Value)})
		}
	}
	return c
}
