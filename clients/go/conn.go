package client

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gobwas/ws"

	"stentor/engine/websocket"
	"stentor/stomp"
)

// Options say where to connect, and as whom.
type Options struct {
	URL     string // ws://host:port/path or wss://...
	Project string // for the header projectId, "" for none
	Token   string // for the header token, "" for none
	// Heartbeat is the interval at which both sides send heart-beats, 0 for none.
	Heartbeat time.Duration
	TLS       *tls.Config // of wss, nil for the system's
}

// Conn is a connection that has received CONNECTED. Next belongs to one goroutine; the other methods may be called from
// any.
type Conn struct {
	Session string // the server's name for this session
	User    string // "" for nobody

	conn     net.Conn
	reader   websocket.ClientReader
	raw      []byte // read from conn, not yet consumed by reader
	buffer   []byte // what raw is a part of
	stream   []byte // STOMP, not yet consumed by decoder
	decoder  stomp.Decoder
	progress stomp.Progress
	version  stomp.Version

	writing sync.Mutex
	out     []byte // scratch of a write

	deadline sync.Mutex // guards the read deadline, and what determines it
	silence  time.Duration
	ending   bool // DISCONNECT was sent: the deadline for its receipt stands

	closed chan struct{}
	once   sync.Once
}

const (
	dialTimeout    = 10 * time.Second
	endTimeout     = 2 * time.Second // for the receipt of DISCONNECT, and for writing a close frame
	maxMessage     = 512 << 20
	readSize       = 16 << 10
	tolerance      = 3 // intervals without a heart-beat
	endReceipt     = "end"
	acceptVersions = "1.2,1.1,1.0"
)

// ErrEnded is what Next returns when the server has confirmed a Disconnect.
var ErrEnded = errors.New("disconnected")

// ServerError is an ERROR frame: the server says what the client did wrong.
type ServerError struct{ Message, Code, Body string }

// Error returns the message with its code.
func (e *ServerError) Error() string {
	if e.Code == "" {
		return e.Message
	}
	return e.Message + " (" + e.Code + ")"
}

// CloseError is a close frame: the server ends the connection without an ERROR.
type CloseError struct {
	Code   uint16
	Reason string
}

// Error returns the code with its meaning.
func (e *CloseError) Error() string {
	text := "the server closed the connection: " + strconv.Itoa(int(e.Code))
	switch e.Code {
	case 1001, 1012:
		text += ", the node is leaving"
	case 1013:
		text += ", try again later"
	}
	if e.Reason != "" {
		text += " (" + e.Reason + ")"
	}
	return text
}

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

// Receipt is one RECEIPT: the answer to a SUBSCRIBE.
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

// ParseURL reads the URL of an endpoint.
func ParseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "ws" && u.Scheme != "wss" || u.Host == "" {
		return nil, fmt.Errorf("found %q, allowed: ws://host:port/path or wss://host/path", text)
	}
	return u, nil
}

// Dial connects, and returns when the server has accepted CONNECT. ctx ends the attempt only. Errors of the server are
// *websocket.AnswerError (HTTP), *ServerError and *CloseError.
func Dial(ctx context.Context, o Options) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	u, err := ParseURL(o.URL)
	if err != nil {
		return nil, err
	}
	raw, err := dial(ctx, u, o.TLS)
	if err != nil {
		return nil, err
	}
	// An ERROR may come before a version is negotiated. 1.2 also reads those of other versions, except for a backslash.
	c := &Conn{conn: raw, buffer: make([]byte, readSize), closed: make(chan struct{}), version: stomp.V12}
	stop := context.AfterFunc(ctx, func() { raw.SetDeadline(time.Unix(1, 0)) }) // an old deadline ends every read and write
	err = c.open(u, &o)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		c.Close()
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%s did not answer: %w", u.Host, ctx.Err())
		}
		return nil, err
	}
	return c, nil
}

func dial(ctx context.Context, u *url.URL, config *tls.Config) (net.Conn, error) {
	port := u.Port()
	if port == "" {
		port = map[string]string{"ws": "80", "wss": "443"}[u.Scheme]
	}
	addr := net.JoinHostPort(u.Hostname(), port)
	if u.Scheme == "wss" {
		return (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", addr)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", addr)
}

// open does the handshakes, up to CONNECTED.
func (c *Conn) open(u *url.URL, o *Options) error {
	key := websocket.NewKey()
	protocols := make([]string, 0, 3)
	for v := stomp.V12; ; v-- {
		protocols = append(protocols, v.Subprotocol())
		if v == stomp.V10 {
			break
		}
	}
	request := websocket.AppendRequest(nil, u.Host, u.RequestURI(), key, "Sec-WebSocket-Protocol: "+strings.Join(protocols, ", "))
	if _, err := c.conn.Write(request); err != nil {
		return err
	}
	for {
		if err := c.read(); err != nil {
			return err
		}
		n, _, err := websocket.ParseAnswer(c.raw, key)
		if err != nil {
			return err
		}
		if n > 0 {
			c.raw = c.raw[n:]
			break
		}
	}

	beat := strconv.FormatInt(o.Heartbeat.Milliseconds(), 10)
	headers := []Header{{"accept-version", acceptVersions}, {"host", u.Hostname()}, {"heart-beat", beat + "," + beat}}
	if o.Project != "" {
		headers = append(headers, Header{"projectId", o.Project})
	}
	if o.Token != "" {
		headers = append(headers, Header{"token", o.Token})
	}
	if err := c.send(stomp.Connect, headers...); err != nil {
		return err
	}
	f, err := c.frame()
	if err != nil {
		return err
	}
	if f.Command != stomp.Connected {
		return fmt.Errorf("the server answered CONNECT with %s", f.Command)
	}
	return c.connected(f, o)
}

// connected adopts what was negotiated.
func (c *Conn) connected(f *stomp.Frame, o *Options) error {
	c.Session, c.User = get(f, "session"), get(f, "user-name")
	value, present := f.Get("version")
	var ok bool
	if c.version, ok = stomp.Negotiate(value, present); !ok {
		return fmt.Errorf("the server speaks STOMP %q", value)
	}
	value, present = f.Get("heart-beat")
	sx, sy, err := stomp.ParseHeartbeat(value, present)
	if err != nil {
		return err
	}
	own := uint32(o.Heartbeat.Milliseconds())
	receive, send := stomp.NegotiateHeartbeat(sx, sy, own, own)
	c.deadline.Lock()
	c.silence = tolerance * time.Duration(receive) * time.Millisecond
	c.deadline.Unlock()
	if send > 0 {
		go c.beat(time.Duration(send) * time.Millisecond * 8 / 10)
	}
	return nil
}

// beat sends heart-beats until the connection is closed.
func (c *Conn) beat(every time.Duration) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			_ = c.send(stomp.None) // Next reports a broken connection
		case <-c.closed:
			return
		}
	}
}

// Subscribe sends a SUBSCRIBE. The answer is a Receipt with the same id, from Next. after is a message-id or a position
// after which to resume, "" for none.
func (c *Conn) Subscribe(id, destination, after string) error {
	headers := []Header{{"id", id}, {"destination", destination}, {"receipt", id}}
	if after != "" {
		headers = append(headers, Header{"last-message-id", after})
	}
	return c.send(stomp.Subscribe, headers...)
}

// Disconnect sends a DISCONNECT: Next then returns ErrEnded when the server has confirmed it, or an error after 2 s.
func (c *Conn) Disconnect() error {
	err := c.send(stomp.Disconnect, Header{"receipt", endReceipt})
	c.deadline.Lock()
	defer c.deadline.Unlock()
	c.ending = true
	return errors.Join(err, c.conn.SetReadDeadline(time.Now().Add(endTimeout)))
}

// Close ends the connection at once. It may be called more than once.
func (c *Conn) Close() {
	c.once.Do(func() {
		close(c.closed)
		c.conn.SetWriteDeadline(time.Now().Add(endTimeout))
		_ = c.write(ws.OpClose, []byte{1000 >> 8, 1000 & 0xFF}) // best effort
		c.conn.Close()
	})
}

// Next waits for the next Message or Receipt; the other one is nil. Any error is the end of the connection.
func (c *Conn) Next() (*Message, *Receipt, error) {
	for {
		f, err := c.frame()
		if err != nil {
			return nil, nil, err
		}
		switch f.Command {
		case stomp.MessageCommand:
			return newMessage(f), nil, nil
		case stomp.Receipt:
			id := get(f, "receipt-id")
			if id == endReceipt {
				return nil, nil, ErrEnded
			}
			r := &Receipt{ID: id, Position: get(f, "position"), Gap: get(f, "resumed") == "false", Resumed: get(f, "resumed") == "true"}
			if get(f, "subscribed") == "false" {
				r.Refused = cmp.Or(get(f, "reason"), "no-reason")
			}
			return nil, r, nil
		}
	}
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

// frame waits for the next frame, which is valid until the next call. An ERROR is returned as a *ServerError.
func (c *Conn) frame() (*stomp.Frame, error) {
	limits := stomp.Limits{BodyBytes: maxMessage}
	for {
		var f stomp.Frame
		n, err := c.decoder.Decode(c.stream, c.version, &limits, &c.progress, &f)
		if err != nil {
			return nil, fmt.Errorf("the server does not speak STOMP: %w", err)
		}
		c.stream = c.stream[n:]
		if f.Command == stomp.ErrorCommand {
			return nil, &ServerError{Message: get(&f, "message"), Code: get(&f, "code"), Body: string(f.Body)}
		}
		if f.Command != stomp.None {
			return &f, nil
		}
		if n == 0 {
			if err := c.more(); err != nil {
				return nil, err
			}
		}
	}
}

// more waits for a piece of a WebSocket message and appends it to the stream.
func (c *Conn) more() error {
	for {
		ev, n, err := c.reader.Next(c.raw, maxMessage)
		if err != nil {
			return fmt.Errorf("the server does not speak WebSocket: %w", err)
		}
		c.raw = c.raw[n:]
		switch ev.Kind {
		case websocket.Data:
			if len(c.stream) == 0 {
				c.stream = c.stream[:0:0] // frees what was consumed
			}
			c.stream = append(c.stream, ev.Payload...)
			return nil
		case websocket.Ping:
			if err := c.write(ws.OpPong, ev.Payload); err != nil {
				return err
			}
		case websocket.Close:
			return &CloseError{uint16(ev.Code), string(ev.Reason)}
		default:
			if n > 0 {
				continue
			}
			if err := c.read(); err != nil {
				return err
			}
		}
	}
}

// read appends the result of the next read to raw.
func (c *Conn) read() error {
	kept := copy(c.buffer, c.raw)
	if kept == len(c.buffer) { // only an answer to the handshake can be that long
		c.buffer = append(c.buffer, make([]byte, readSize)...)
	}
	c.deadline.Lock()
	silence := c.silence
	if silence > 0 && !c.ending {
		c.conn.SetReadDeadline(time.Now().Add(silence))
	}
	c.deadline.Unlock()
	n, err := c.conn.Read(c.buffer[kept:])
	c.raw = c.buffer[:kept+n]
	switch {
	case n > 0:
		return nil
	case errors.Is(err, io.EOF):
		return fmt.Errorf("the server closed the connection: %w", io.ErrUnexpectedEOF)
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() && silence > 0 {
		return fmt.Errorf("the server has been silent for %s", silence)
	}
	return err
}

// send writes one frame as one WebSocket message.
func (c *Conn) send(command stomp.Command, headers ...Header) error {
	f := stomp.Frame{Command: command}
	for _, h := range headers {
		f.Headers = append(f.Headers, stomp.Header{Name: []byte(h.Name), Value: []byte(h.Value)})
	}
	return c.write(ws.OpText, stomp.AppendFrame(nil, c.version, &f))
}

func (c *Conn) write(op ws.OpCode, payload []byte) error {
	var mask [4]byte
	rand.Read(mask[:])
	c.writing.Lock()
	defer c.writing.Unlock()
	c.out = websocket.AppendMasked(c.out[:0], op, mask, payload)
	_, err := c.conn.Write(c.out)
	return err
}
