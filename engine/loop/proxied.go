package loop

import (
	"errors"
	"net/netip"

	"github.com/panjf2000/gnet/v2"

	"stentor/engine/proxyproto"
	"stentor/engine/refusal"
	"stentor/engine/shard"
)

// Some listeners belong to proxies: every connection begins with a header of the PROXY protocol, which names the client.
// The shard owns such a connection from the start, so that handshake_timeout holds for it; but its input does not reach the
// shard until the header is complete.

// awaited is the stage of a connection whose header is incomplete. It exists only until then.
type awaited struct {
	conn *shard.Conn
	peer netip.AddrPort // the proxy
	kept []byte         // of the header; at most proxyproto.MaxBytes
	next any            // the context of what follows
}

// of implements stage.
func (w *awaited) of() *shard.Conn { return w.conn }

// input implements stage.
func (w *awaited) input(l *Loop, c gnet.Conn, in []byte) gnet.Action {
	if len(w.kept) > 0 {
		in = append(w.kept, in...)
	}
	host := l.server.conf.Host
	h, size, err := proxyproto.Decode(in)
	switch {
	case errors.Is(err, proxyproto.ErrMissing):
		host.Refused(w.peer, refusal.ProxyMissing, "no header came: the proxy has to send it, or use another listener")
		return gnet.Close
	case err != nil:
		host.Refused(w.peer, refusal.ProxyInvalid, err.Error())
		return gnet.Close
	case size == 0:
		w.kept = append([]byte(nil), in...)
		return gnet.None
	}
	c.SetContext(w.next)
	if h.Source.IsValid() && !h.Source.Addr().IsUnspecified() {
		if answer, ok := host.Identify(h.Source); !ok {
			if w.next == any(w.conn) {
				_, _ = c.Write(answer)
			}
			return gnet.Close
		}
		l.shard.Introduce(w.conn, h.Source)
	}
	if in = in[size:]; len(in) == 0 {
		return gnet.None
	}
	if then, ok := w.next.(stage); ok {
		return then.input(l, c, in)
	}
	l.shard.Input(w.conn, in)
	return gnet.None
}
