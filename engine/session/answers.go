package session

import (
	"slices"
	"strconv"

	"stentor/stomp"
)

// answer is a RECEIPT in its order: it is written when it is ready and all before it have been written.
type answer struct {
	token   uint32
	bytes   int // held outside of the session until it is given
	ready   bool
	wanted  bool // a receipt was asked for
	receipt string
	lines   string // more header lines, ready for the wire
}

func (a *answer) size() int { return len(a.receipt) + len(a.lines) + a.bytes }

// Connected answers CONNECT and lets the session begin. user may be empty. least must be the one that Greet was given. lines
// are further header lines.
func (m *Machine) Connected(s *Session, id, user string, least uint32, lines string) {
	s.Phase = Connected
	t := stomp.AppendCommand(m.text[:0], stomp.Connected)
	t = stomp.AppendHeader(t, stomp.V10, "version", s.Version.String())
	sends, receives := m.offer(least)
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
	t = append(t, lines...)
	m.text = stomp.AppendBody(t, nil)
	m.put(s)
}

// Receipt answers the frame whose receipt header was id, in its turn. lines are further header lines of the RECEIPT.
// A frame has at most one Receipt or Await, so that no session waits for more than Config.Unanswered.
func (m *Machine) Receipt(s *Session, id []byte, lines string) {
	if s.owed == nil || len(s.owed.answers) == 0 {
		m.receipt(s, id, lines)
		return
	}
	m.owe(s, answer{ready: true, wanted: true, receipt: string(id), lines: lines})
}

// Await reserves a turn for an answer that is not known yet; Settle with the token gives it. bytes is what the request
// holds outside of the session until then.
func (m *Machine) Await(s *Session, id []byte, wanted bool, bytes int) (token uint32) {
	o := s.owe()
	o.next++
	m.owe(s, answer{token: o.next, wanted: wanted, receipt: string(id), bytes: bytes})
	return o.next
}

// owe adds an answer. When there are as many as a session may wait for, or they hold as many bytes as they may, its input
// waits.
func (m *Machine) owe(s *Session, a answer) {
	s.owed.answers = append(s.owed.answers, a)
	s.owed.held += a.size()
	if len(s.owed.answers) >= m.conf.Unanswered || s.owed.held >= m.conf.InputBytes {
		s.owed.full = true
	}
}

// Settle makes the answer that Await promised ready and writes all whose turn has come. It reports whether input waited for
// that: the session then needs a turn, unless it is in one.
func (m *Machine) Settle(s *Session, token uint32, lines string) (goesOn bool) {
	o := s.owed
	if o == nil {
		return false
	}
	if a := o.awaited(token); a != nil {
		a.ready, a.lines = true, lines
		o.held += len(lines) - a.bytes
		a.bytes = 0
	}
	done := 0
	for done < len(o.answers) && o.answers[done].ready {
		a := &o.answers[done]
		if a.wanted {
			m.receipt(s, []byte(a.receipt), a.lines)
		}
		o.held -= a.size()
		done++
	}
	o.answers = slices.Delete(o.answers, 0, done)
	// Only when half of them are answered: each time that input goes on, the rest of it is moved.
	if o.full && len(o.answers) <= m.conf.Unanswered/2 && o.held <= m.conf.InputBytes/2 {
		o.full = false
		goesOn = s.Buffered() > 0
	}
	s.freeOwed()
	return goesOn
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
	m.put(s)
}

// Fail answers a client's mistake: an ERROR (unless f is Silent, or STOMP was not spoken yet), then the close frame. The
// ERROR names the receipt that the failing frame asked for. The session is Closing afterwards.
func (m *Machine) Fail(s *Session, f *Failure) {
	if s.Phase == Closing {
		return
	}
	if !f.Silent && s.Phase.Opened() {
		id, ok := m.Frame.Get("receipt")
		m.fail(s, f, id, ok && (s.Phase == Connected || s.Phase == Leaving))
	}
	m.Close(s, f.Close, f.Text)
}

// awaited is the answer that waits for token, nil if there is none.
func (o *owed) awaited(token uint32) *answer {
	if o == nil {
		return nil
	}
	for i := range o.answers {
		if a := &o.answers[i]; !a.ready && a.token == token {
			return a
		}
	}
	return nil
}

// FailAwaited is Fail for the frame whose answer Await promised with token.
func (m *Machine) FailAwaited(s *Session, token uint32, f *Failure) {
	if s.Phase == Closing {
		return
	}
	id, wanted := []byte(nil), false
	if a := s.owed.awaited(token); a != nil {
		id, wanted = []byte(a.receipt), a.wanted
	}
	m.fail(s, f, id, wanted)
	m.Close(s, f.Close, f.Text)
}

func (m *Machine) fail(s *Session, f *Failure, receipt []byte, wanted bool) {
	t := stomp.AppendCommand(m.text[:0], stomp.ErrorCommand)
	t = stomp.AppendHeader(t, s.Version, "message", f.Text)
	t = stomp.AppendHeader(t, s.Version, "code", f.Code)
	if f.Text == versionsText {
		t = stomp.AppendHeader(t, s.Version, "version", stomp.Versions)
	}
	if wanted {
		t = stomp.AppendHeader(t, s.Version, "receipt-id", receipt)
	}
	t = stomp.AppendHeader(t, s.Version, "content-type", "text/plain")
	t = append(t, "content-length:"...)
	t = strconv.AppendInt(t, int64(len(f.Text)), 10)
	t = append(t, '\n')
	m.text = stomp.AppendBody(t, []byte(f.Text))
	m.put(s)
}

// Message sends a MESSAGE of the server's own, which is no push: it has no position, and is not acknowledged. sub is the
// header line with the subscription's id, lines are further ones.
func (m *Machine) Message(s *Session, destination, id string, sub []byte, lines string, body []byte) {
	t := stomp.AppendCommand(m.text[:0], stomp.MessageCommand)
	t = stomp.AppendHeader(t, stomp.V10, "destination", destination)
	t = stomp.AppendHeader(t, stomp.V10, "message-id", id)
	t = append(t, sub...)
	t = append(t, lines...)
	t = stomp.AppendHeader(t, stomp.V10, "content-type", "application/json")
	t = append(t, "content-length:"...)
	t = strconv.AppendInt(t, int64(len(body)), 10)
	t = append(t, '\n')
	m.text = stomp.AppendBody(t, body)
	m.put(s)
}

// Close appends a close frame (when the WebSocket is open), forgets the owed answers, and discards all input from now on.
func (m *Machine) Close(s *Session, code closeCode, reason string) {
	m.Wire.Close(s, code, reason)
	s.owed = nil
}
