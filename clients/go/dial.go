package client

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

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
	if err := c.send(stomp.Connect, nil, headers...); err != nil {
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
