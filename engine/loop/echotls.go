package loop

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"

	"github.com/panjf2000/gnet/v2"

	"stentor/engine/refusal"
	"stentor/engine/session"
	"stentor/engine/shard"
	"stentor/engine/tls13"
)

// echoTLS is the TLS of an Echo: that of a Server, with the Echo in place of the shard. It belongs to the event loop.
type echoTLS struct {
	echo  *Echo
	loop  *Loop
	conns map[*shard.Conn]*echoConn // the shard's connections have no other use here

	mu    sync.Mutex
	tasks []func()
}

func newEchoTLS(e *Echo, conf *TLS) *echoTLS {
	t := &echoTLS{echo: e, conns: map[*shard.Conn]*echoConn{}}
	s := &Server{conf: Config{Host: echoHost{log: e.opts.Log}, TLS: conf, Log: e.opts.Log}, turns: turnsFor()}
	t.loop = &Loop{server: s, above: t, layer: tls13.NewLayer(conf.CipherBytes)}
	return t
}

// open makes the context of a socket that was accepted.
func (t *echoTLS) open(c *echoConn) *secure {
	c.over = &secure{Conn: c.socket, conn: new(shard.Conn)}
	t.conns[c.over.conn] = c
	return c.over
}

// gone is called when a connection is closed.
func (t *echoTLS) gone(s *secure) {
	delete(t.conns, s.conn)
	t.loop.gone(s)
}

// Input implements above.
func (t *echoTLS) Input(c *shard.Conn, plain []byte) {
	if c := t.conns[c]; c != nil {
		t.echo.turn(c, plain)
	}
}

// Hangup implements above.
func (t *echoTLS) Hangup(c *shard.Conn) {
	if c := t.conns[c]; c != nil {
		c.sess.Phase = session.Closing
		c.closing()
	}
}

// Post implements above.
func (t *echoTLS) Post(task func()) {
	t.mu.Lock()
	t.tasks = append(t.tasks, task)
	t.mu.Unlock()
	// It fails when the engine is stopping, which closes every connection.
	_ = t.echo.net.doors[0].el.Execute(context.Background(), runnable(t.run))
}

// run does all tasks that wait: gnet may change the order of its own.
func (t *echoTLS) run() {
	t.mu.Lock()
	tasks := t.tasks
	t.tasks = nil
	t.mu.Unlock()
	for _, task := range tasks {
		task()
	}
}

// Recount implements above.
func (t *echoTLS) Recount(*shard.Conn) {}

// Secured implements above.
func (t *echoTLS) Secured(*shard.Conn) {}

// Address implements above.
func (t *echoTLS) Address(*shard.Conn) netip.AddrPort { return netip.AddrPort{} }

// echoHost is what TLS needs of a Host.
type echoHost struct {
	Host
	log *slog.Logger
}

func (h echoHost) Refused(_ netip.AddrPort, _ refusal.Reason, text string) { h.log.Info(text) }
func (h echoHost) Panicked(where string, reason any) {
	h.log.Error("panic", "where", where, "reason", reason)
}
func (h echoHost) Handshake(netip.AddrPort) bool { return true }
func (h echoHost) HandshakeOver(netip.AddrPort)  {}

// write sends what the wire has.
func (c *echoConn) write(out []byte) (err error) {
	if c.over == nil {
		_, err = write(c.socket, out)
		return err
	}
	_, err = c.tls.loop.writeSecure(c.over, out)
	return err
}

// end sends FIN, over TLS behind close_notify.
func (c *echoConn) end() {
	if c.over == nil {
		closeWrite(c.socket)
		return
	}
	c.tls.loop.endSecure(c.over)
}

// traffic is onTraffic for a connection over TLS.
func (t *echoTLS) traffic(s *secure, in []byte) gnet.Action {
	if len(in) > 0 {
		return s.input(t.loop, s.Conn, in)
	}
	if c := t.conns[s.conn]; c != nil {
		t.echo.turn(c, nil)
	}
	return gnet.None
}
