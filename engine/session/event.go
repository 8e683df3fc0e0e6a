package session

import (
	"github.com/gobwas/ws"

	"stentor/engine/refusal"
	"stentor/stomp"
)

// Kind says what an Event is.
type Kind uint8

const (
	// More: all input is used up.
	More Kind = iota
	// Upgraded: the handshake succeeded, its answer is in Out.
	Upgraded
	// Refused: the handshake failed, its answer is in Out; close after it.
	Refused
	// Answered: a request that is not for a WebSocket was answered, in Out; close after it.
	Answered
	// Lent: the request is for a path that is served elsewhere; Wire.Lent has all that came of it. The session is now Elsewhere.
	Lent
	// Alive: a heart-beat, a ping (its pong is in Out), a pong, a part of a frame.
	Alive
	// Connect: CONNECT or STOMP. The session is now Authenticating.
	Connect
	Subscribe
	Unsubscribe
	Send
	// Renew: a SEND to TokenDestination, which has a new token in its headers.
	Renew
	Ack
	Nack
	Begin
	// Commit: Machine.Parts has the frames of the transaction.
	Commit
	Abort
	// Disconnect: the session is now Leaving.
	Disconnect
	// Closed: the client closed the WebSocket, the answering close frame is in Out.
	Closed
	// Failed: the client broke a rule: answer with Machine.Fail(ev.Failure).
	Failed
	// Data: a piece of a message. Only a Wire has it.
	Data
)

// TokenDestination is where a client sends a new token to, before the one of its session expires. No rule of a project
// serves it.
const TokenDestination = "/stentor/token"

// AckMode is a subscription's acknowledgement mode.
type AckMode uint8

const (
	AckAuto AckMode = iota
	AckClient
	AckIndividual
)

// String is the mode as a client writes it.
func (a AckMode) String() string {
	switch a {
	case AckClient:
		return "client"
	case AckIndividual:
		return "client-individual"
	default:
		return "auto"
	}
}

// Failure is a client's mistake: an ERROR with Code and Text, then a WebSocket close with Close. With Silent there is no
// ERROR (the server is at fault, or STOMP was not spoken yet).
type Failure struct {
	Reason refusal.Reason
	Code   string
	Text   string
	Close  ws.StatusCode
	Silent bool
	Cause  string // what the log says in place of Text
}

// Error codes of the ERROR frame's code header.
const (
	CodeAuth      = "auth"
	CodeExpired   = "expired"
	CodeForbidden = "forbidden"
	CodeProtocol  = "protocol"
	CodeTooLarge  = "too-large"
	CodeLimit     = "limit"
)

// Close codes that a server may send (RFC 6455 section 7.4 and the IANA registry).
const (
	CloseNormal        ws.StatusCode = 1000
	CloseProtocol      ws.StatusCode = 1002
	ClosePolicy        ws.StatusCode = 1008
	CloseTooLarge      ws.StatusCode = 1009
	CloseInternal      ws.StatusCode = 1011
	CloseServiceLeaves ws.StatusCode = 1012 // reconnect, now
	CloseTryLater      ws.StatusCode = 1013
)

func protocolFailure(text string) *Failure {
	return &Failure{Reason: refusal.Protocol, Code: CodeProtocol, Text: text, Close: CloseProtocol}
}

// Limited is the failure of a client that met a limit.
func Limited(why refusal.Reason, text string) *Failure {
	return &Failure{Reason: why, Code: CodeLimit, Text: text, Close: ClosePolicy}
}

// decodeFailure is the failure of a frame that cannot be read; limit is the reason for one that is too large.
func decodeFailure(err error, limit refusal.Reason) *Failure {
	e := err.(*stomp.Error)
	f := &Failure{Reason: refusal.Protocol, Code: e.Code, Text: e.Text, Close: CloseProtocol}
	if e.Code == CodeTooLarge {
		f.Close, f.Reason = CloseTooLarge, limit
	}
	return f
}

// Event is what Next found. Its byte slices point into the turn's input and are valid until the next call of Next.
type Event struct {
	Kind        Kind
	Ack         AckMode // of Subscribe
	HasReceipt  bool
	Destination []byte // of Subscribe, Send, Renew; of a 1.0 Unsubscribe without id
	ID          []byte // of Subscribe, Unsubscribe; of Ack and Nack what the client acknowledges
	Sub         []byte // of a 1.1 Ack and Nack
	Receipt     []byte
	Resume      []byte // last-message-id of Subscribe
	Failure     *Failure
}
