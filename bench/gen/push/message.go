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
	// Send hands messages of one project over, in their order, and returns when the server has all of them. With an
	// error, the first taken of them are the server's; a *Refused says that the rest is not and may be sent again.
	Send(ctx context.Context, m []Message) (taken int, err error)
	Close()
}

// Answer is that of a server that does not do what it was asked, and never will.
type Answer struct {
	Status int    // of HTTP
	Text   string // what it says
}

func (a *Answer) Error() string {
	return fmt.Sprintf("push: %d %s: %s", a.Status, http.StatusText(a.Status), a.Text)
}

// Refused is the answer of a server that took nothing and may do so later.
type Refused struct {
	Cause string
	After time.Duration // when to try again, 0 when it does not say
}

func (r *Refused) Error() string { return r.Cause }
