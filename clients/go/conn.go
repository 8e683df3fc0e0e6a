package client

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"stentor/engine/websocket"
	"stentor/stomp"
)

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

// beat sends heart-beats until the connection is closed.
func (c *Conn) beat(every time.Duration) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			_ = c.send(stomp.None, nil) // Next reports a broken connection
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
	return c.send(stomp.Subscribe, nil, headers...)
}

// Send sends a SEND. The answer is a Receipt with this id, from Next, unless it is "". headers are others of the frame, such
// as content-type.
func (c *Conn) Send(receipt, destination string, body []byte, headers ...Header) error {
	all := []Header{{"destination", destination}}
	if receipt != "" {
		all = append(all, Header{"receipt", receipt})
	}
	return c.send(stomp.Send, body, append(all, headers...)...)
}

// Disconnect sends a DISCONNECT: Next then returns ErrEnded when the server has confirmed it, or an error after 2 s.
func (c *Conn) Disconnect() error {
	err := c.send(stomp.Disconnect, nil, Header{"receipt", endReceipt})
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
			return nil, &ServerError{Message: get(&f, "message"), Code: get(&f, "code"), Body: string(f.Body), ReceiptID: get(&f, "receipt-id")}
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
func (c *Conn) send(command stomp.Command, body []byte, headers ...Header) error {
	f := stomp.Frame{Command: command, Body: body}
	for _, h := range headers {
		f.Headers = append(f.Headers, stomp.Header{Name: []byte(h.Name), Value: []byte(h.Value)})
	}
	op := ws.OpText
	if !utf8.Valid(body) { // RFC 6455, section 5.6
		op = ws.OpBinary
	}
	return c.write(op, stomp.AppendFrame(nil, c.version, &f))
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
