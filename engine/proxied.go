package engine

import (
	"errors"
	"net/netip"

	"github.com/panjf2000/gnet/v2"

	"stentor/engine/proxyproto"
	"stentor/engine/refusal"
	"stentor/engine/shard"
)

// Some listeners belong to proxies: every connection begins with a header of the PROXY protocol, which says whose it is.
// Such a connection is the shard's from the start, so that handshake_timeout holds for it; only what it sends is kept
// from the shard until the header is complete.

// awaited is the context of a connection whose header has not come. It exists only so long.
type awaited struct {
	conn *shard.Conn
	peer netip.AddrPort // the proxy
	kept []byte         // of the header; at most proxyproto.MaxBytes
}

// localPeer stands for the other end of a Unix socket. No client over TCP has this address, and it counts as a trusted
// proxy: who may connect is a matter of the file's mode.
var localPeer = netip.PrefixFrom(netip.IPv6Unspecified(), 128)

// header takes what came from a connection whose header is not complete.
func (n *Node) header(c gnet.Conn, l *loop, w *awaited, in []byte) gnet.Action {
	if len(w.kept) > 0 {
		in = append(w.kept, in...)
	}
	h, size, err := proxyproto.Decode(in)
	switch {
	case errors.Is(err, proxyproto.ErrMissing):
		n.refuseHeader(w.peer, refusal.ProxyMissing, "no header came: the proxy has to send it, or to use another listener")
		return gnet.Close
	case err != nil:
		n.refuseHeader(w.peer, refusal.ProxyInvalid, err.Error())
		return gnet.Close
	case size == 0:
		w.kept = append([]byte(nil), in...)
		return gnet.None
	}
	c.SetContext(w.conn)
	if h.Source.IsValid() && !h.Source.Addr().IsUnspecified() {
		if refused := n.identify(h.Source.Addr()); refused != nil {
			n.refuse(refused, h.Source)
			_, _ = c.Write(answers[refused])
			return gnet.Close
		}
		l.shard.Introduce(w.conn, h.Source)
	}
	if in = in[size:]; len(in) > 0 {
		l.shard.Input(w.conn, in)
	}
	return gnet.None
}

// refuseHeader counts and logs a connection that is refused for want of a right header.
func (n *Node) refuseHeader(peer netip.AddrPort, why refusal.Reason, text string) {
	n.refusals.Refuse(refusal.Record{Reason: why, Address: peer, Text: text})
}
