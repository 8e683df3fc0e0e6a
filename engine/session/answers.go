package session

import (
	"strconv"

	"stentor/stomp"
)

// answer is a RECEIPT that has its turn: it is written when it is ready and all before it were.
type answer struct {
	token   uint32
	ready   bool
	wanted  bool // a receipt was asked for
	receipt string
	lines   string // more header lines, ready for the wire
}

// Connected answers CONNECT and lets the session begin. user may be empty.
func (m *Machine) Connected(s *Session, id, user string) {
	s.Phase = Connected
	t := stomp.AppendCommand(m.text[:0], stomp.Connected)
	t = stomp.AppendHeader(t, stomp.V10, "version", s.Version.String())
	sends, receives := m.conf.Sends, m.conf.Receives
	if s.Version == stomp.V10 {
		sends, receives = 0, 0 // see Greet
	}
	t = append(t, "heart-beat:"...)
	t = strconv.AppendUint(t, uint64(sends), 10)
	t = append(t, ',')
	t = strconv.AppendUint(t, uint64(receives), 10)
	t = append(t, '\n')
	t = stomp.AppendHeader(t, stomp.V10, "session", id)
	if user != "" {
		t = stomp.AppendHeader(t, stomp.V10, "user-name", user)
	}
	m.text = stomp.AppendBody(t, nil)
	m.put()
}

// Receipt answers the frame whose receipt header was id, in its turn. lines are further header lines of the RECEIPT.
// It reports false when the session has too many answers waiting.
func (m *Machine) Receipt(s *Session, id []byte, lines string) bool {
	if s.owed == nil || len(s.owed.answers) == 0 {
		m.receipt(s, id, lines)
		return true
	}
	if len(s.owed.answers) >= m.conf.Unanswered {
		return false
	}
	s.owed.answers = append(s.owed.answers, answer{ready: true, wanted: true, receipt: string(id), lines: lines})
	return true
}

// Await takes a turn for an answer that is not known yet. Settle with the token gives it. ok is false when the
// session has too many answers waiting.
func (m *Machine) Await(s *Session, id []byte, wanted bool) (token uint32, ok bool) {
	o := s.owe()
	if len(o.answers) >= m.conf.Unanswered {
		return 0, false
	}
	o.next++
	o.answers = append(o.answers, answer{token: o.next, wanted: wanted, receipt: string(id)})
	return o.next, true
}

// Settle makes the answer that Await promised ready and writes all whose turn has come.
func (m *Machine) Settle(s *Session, token uint32, lines string) {
	o := s.owed
	if o == nil {
		return
	}
	for i := range o.answers {
		if a := &o.answers[i]; !a.ready && a.token == token {
			a.ready, a.lines = true, lines
			break
		}
	}
	done := 0
	for done < len(o.answers) && o.answers[done].ready {
		if a := &o.answers[done]; a.wanted {
			m.receipt(s, []byte(a.receipt), a.lines)
		}
		done++
	}
	o.answers = append(o.answers[:0], o.answers[done:]...)
	s.settle()
}

// Next reports whether the answer that Await promised with token is the next to be given.
func (s *Session) Next(token uint32) bool {
	return s.owed != nil && len(s.owed.answers) > 0 && s.owed.answers[0].token == token
}

// Owes reports whether answers are waiting.
func (s *Session) Owes() bool { return s.owed != nil && len(s.owed.answers) > 0 }

func (m *Machine) receipt(s *Session, id []byte, lines string) {
	t := stomp.AppendCommand(m.text[:0], stomp.Receipt)
	t = stomp.AppendHeader(t, s.Version, "receipt-id", id)
	t = append(t, lines...)
	m.text = stomp.AppendBody(t, nil)
	m.put()
}

// Fail answers what the client did wrong: an ERROR (unless f is Silent, or STOMP was not spoken yet), then the close
// frame. The receipt that the failing frame asked for is named. The session is Closing afterwards.
func (m *Machine) Fail(s *Session, f *Failure) {
	if s.Phase == Closing {
		return
	}
	if !f.Silent && s.Phase != Handshake {
		m.fail(s, f)
	}
	m.Close(s, f.Close, f.Text)
}

func (m *Machine) fail(s *Session, f *Failure) {
	t := stomp.AppendCommand(m.text[:0], stomp.ErrorCommand)
	t = stomp.AppendHeader(t, s.Version, "message", f.Text)
	t = stomp.AppendHeader(t, s.Version, "code", f.Code)
	if f.Text == versionsText {
		t = stomp.AppendHeader(t, s.Version, "version", stomp.Versions)
	}
	if id, ok := m.asked(); ok && (s.Phase == Connected || s.Phase == Leaving) {
		t = stomp.AppendHeader(t, s.Version, "receipt-id", id)
	}
	t = stomp.AppendHeader(t, s.Version, "content-type", "text/plain")
	t = append(t, "content-length:"...)
	t = strconv.AppendInt(t, int64(len(f.Text)), 10)
	t = append(t, '\n')
	m.text = stomp.AppendBody(t, []byte(f.Text))
	m.put()
}

// asked is the receipt that the frame of the last event wants; when a transaction is carried out, its COMMIT.
func (m *Machine) asked() (id []byte, ok bool) {
	if m.commit != nil {
		return m.commit.Receipt, m.commit.HasReceipt
	}
	return m.Frame.Get("receipt")
}

// Close appends a close frame (when the WebSocket is open), forgets what the session owes, and discards what comes in
// from now on.
func (m *Machine) Close(s *Session, code closeCode, reason string) {
	m.Wire.Close(s, code, reason)
	s.owed = nil
}
