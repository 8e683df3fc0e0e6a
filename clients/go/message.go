package client

import (
	"stentor/stomp"
)

// Message is one MESSAGE.
type Message struct {
	Destination  string
	ID           string // message-id
	Subscription string
	ContentType  string
	Headers      []Header // all others
	Body         []byte
}

// Header is one header line.
type Header struct{ Name, Value string }

// Receipt is one RECEIPT: the answer to a SUBSCRIBE or a SEND.
type Receipt struct {
	ID string
	// Position is where the server was when it accepted the subscription: where to resume when no message has come
	// yet.
	Position string
	// Gap means that the subscription could not resume where it asked to: messages may be missing.
	Gap bool
	// Resumed means that it could: nothing is missing.
	Resumed bool
	// Refused is why the SUBSCRIBE was refused, such as not-served; "" when it was not.
	Refused string
}

func newMessage(f *stomp.Frame) *Message {
	m := &Message{Body: append([]byte(nil), f.Body...)}
	fields := map[string]*string{"destination": &m.Destination, "message-id": &m.ID, "subscription": &m.Subscription, "content-type": &m.ContentType}
	for _, h := range f.Headers {
		switch field := fields[string(h.Name)]; {
		case string(h.Name) == "content-length":
		case field == nil:
			m.Headers = append(m.Headers, Header{string(h.Name), string(h.Value)})
		case *field == "":
			*field = string(h.Value)
		}
	}
	return m
}

func get(f *stomp.Frame, name string) string {
	value, _ := f.Get(name)
	return string(value)
}
