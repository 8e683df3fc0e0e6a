package push

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"stentor/bench/gen/measure"
)

// Message is one push.
type Message struct {
	Project     string
	Destination string // of a user without /user
	User        string // "" for everyone who subscribed
	Stream      uint32 // chooses the lane
	Payload     measure.Payload
	Size        int // of the payload in bytes
}

// ID is the same whenever the message is sent, and different from that of any other message.
func (m *Message) ID() string { return fmt.Sprintf("%016x-%08x", m.Payload.Stream, m.Payload.Seq) }

func (m *Message) number() number { return number{m.Stream, m.Payload.Seq} }

// body appends the payload.
func (m *Message) body(dst []byte) []byte { return m.Payload.Append(dst, m.Size) }

// Sender hands messages over. Its methods may be called from several goroutines.
type Sender interface {
	// Send sends messages of one project in their order, and returns when the server has all of them. With an error, the
	// server has the first taken of them; after a *Refused it does not have the rest, which may be sent again.
	Send(ctx context.Context, m []Message) (taken int, err error)
	Close()
}

// Answer is a permanent refusal by the server.
type Answer struct {
	Status int    // of HTTP
	Text   string // what it says
}

func (a *Answer) Error() string {
	return fmt.Sprintf("push: %d %s: %s", a.Status, http.StatusText(a.Status), a.Text)
}

// Refused is a temporary refusal: the server accepted nothing, and may do so later.
type Refused struct {
	Cause string
	After time.Duration // when to try again, 0 when it does not say
}

func (r *Refused) Error() string { return r.Cause }
