package session

import (
	"unicode/utf8"

	"stentor/engine/refusal"
	"stentor/stomp"
)

// check applies the rules of the STOMP session to m.Frame and turns it into an event.
func (m *Machine) check(s *Session) Event {
	f := &m.Frame
	if f.Command == stomp.None {
		return Event{Kind: Alive}
	}
	if f.Command == stomp.Connect {
		if s.Phase != Greeting {
			return failed(protocolFailure("CONNECT was already sent"))
		}
		return m.connect(s)
	}
	if s.Phase != Connected {
		return failed(protocolFailure("the first frame must be CONNECT or STOMP"))
	}
	ev := Event{}
	ev.Receipt, ev.HasReceipt = f.Get("receipt")
	var failure *Failure
	switch f.Command {
	case stomp.Send:
		ev.Kind = Send
		failure = m.destination(f, &ev)
		if string(ev.Destination) == TokenDestination {
			ev.Kind = Renew
		}
	case stomp.Subscribe:
		failure = m.subscribe(s, f, &ev)
	case stomp.Unsubscribe:
		ev.Kind = Unsubscribe
		var named bool
		if ev.ID, named = f.Get("id"); !named {
			if s.Version != stomp.V10 {
				return failed(protocolFailure("UNSUBSCRIBE needs the header id"))
			}
			failure = m.destination(f, &ev)
		}
	case stomp.Ack:
		ev.Kind = Ack
		failure = acknowledged(s, f, &ev)
	case stomp.Nack:
		if s.Version == stomp.V10 {
			return failed(protocolFailure("STOMP 1.0 has no NACK"))
		}
		ev.Kind = Nack
		failure = acknowledged(s, f, &ev)
	case stomp.Begin, stomp.Commit, stomp.Abort:
		return m.transact(s, f, ev)
	case stomp.Disconnect:
		ev.Kind = Disconnect
		s.Phase = Leaving
		s.abort()
	default:
		return failed(protocolFailure("only a server sends this command"))
	}
	if failure != nil {
		return failed(failure)
	}
	if name, ok := f.Get("transaction"); ok {
		switch ev.Kind {
		case Send, Ack, Nack:
			return m.postpone(s, name, f, ev)
		case Renew:
			return failed(protocolFailure("a token cannot be renewed in a transaction"))
		}
	}
	return ev
}

func (m *Machine) destination(f *stomp.Frame, ev *Event) *Failure {
	d, ok := f.Get("destination")
	switch {
	case !ok || len(d) == 0:
		return protocolFailure("the header destination is missing")
	case len(d) > m.conf.DestinationBytes:
		return Limited(refusal.DestinationBytes, "the destination is too long")
	case !utf8.Valid(d):
		return protocolFailure("the destination is not UTF-8")
	}
	ev.Destination = d
	return nil
}

func (m *Machine) subscribe(s *Session, f *stomp.Frame, ev *Event) *Failure {
	ev.Kind = Subscribe
	if failure := m.destination(f, ev); failure != nil {
		return failure
	}
	id, _ := f.Get("id")
	switch {
	case len(id) == 0 && s.Version != stomp.V10:
		return protocolFailure("SUBSCRIBE needs the header id")
	case len(id) > m.conf.IDBytes:
		return Limited(refusal.IDBytes, "the subscription's id is too long")
	case !utf8.Valid(id):
		return protocolFailure("the subscription's id is not UTF-8")
	}
	ev.ID = id
	ev.Resume, _ = f.Get("last-message-id")
	mode, _ := f.Get("ack")
	switch string(mode) {
	case "", "auto":
		ev.Ack = AckAuto
	case "client":
		ev.Ack = AckClient
	case "client-individual":
		ev.Ack = AckIndividual
	default:
		return protocolFailure("ack must be auto, client or client-individual")
	}
	return nil
}

// acknowledged finds what an ACK or NACK names: 1.0 and 1.1 the message-id, 1.1 the subscription too, 1.2 the id. An absent
// or unknown one is not an error: some clients send id:undefined.
func acknowledged(s *Session, f *stomp.Frame, ev *Event) *Failure {
	if s.Version == stomp.V12 {
		ev.ID, _ = f.Get("id")
		return nil
	}
	ev.ID, _ = f.Get("message-id")
	ev.Sub, _ = f.Get("subscription")
	return nil
}

// Greets is what CONNECT asked for.
type Greets struct {
	// Send and Receive are the heart-beat intervals agreed on, in milliseconds, as the server sees them; 0 none.
	Send, Receive uint32
}

func (m *Machine) connect(s *Session) Event {
	accept, present := m.Frame.Get("accept-version")
	version, ok := stomp.Negotiate(accept, present)
	if !ok {
		return failed(protocolFailure(versionsText))
	}
	hb, present := m.Frame.Get("heart-beat")
	if _, _, err := stomp.ParseHeartbeat(hb, present); err != nil {
		return failed(protocolFailure("heart-beat must be two numbers of milliseconds, as in 10000,10000"))
	}
	s.Version = version
	s.Phase = Authenticating
	return Event{Kind: Connect}
}

const versionsText = "the supported versions are 1.0, 1.1 and 1.2"

// offer is the server's side of the heart-beat agreement: its intervals, none of them shorter than least milliseconds.
func (m *Machine) offer(least uint32) (sends, receives uint32) {
	if sends = m.conf.Sends; sends > 0 {
		sends = max(sends, least)
	}
	if receives = m.conf.Receives; receives > 0 {
		receives = max(receives, least)
	}
	return sends, receives
}

// Greet is the heart-beat agreement of the CONNECT that m.Frame holds, with no interval of the server's shorter than
// least milliseconds; Connected must be told the same. STOMP 1.0 has no heart-beats: clients that speak it send none,
// even those that offer them before they know the version.
func (m *Machine) Greet(least uint32) Greets {
	accept, present := m.Frame.Get("accept-version")
	if version, _ := stomp.Negotiate(accept, present); version == stomp.V10 {
		return Greets{}
	}
	hb, present := m.Frame.Get("heart-beat")
	cx, cy, _ := stomp.ParseHeartbeat(hb, present)
	sends, receives := m.offer(least)
	send, receive := stomp.NegotiateHeartbeat(sends, receives, cx, cy)
	return Greets{Send: send, Receive: receive}
}
