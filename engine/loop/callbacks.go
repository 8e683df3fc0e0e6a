package loop

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"

	"github.com/panjf2000/gnet/v2"
)

// host is what the connections of a network are for: a Server or an Echo.
type host interface {
	// arrive decides on a connection that was accepted. A refused one gets the answer, if there is one, and is closed.
	// Acceptors call it, several at once; it must not block.
	arrive(a *arrival) (answer []byte, ok bool)
	// lost undoes arrive for a connection that never entered a loop.
	lost(a *arrival)
	// short is called for a connection that was refused for lack of descriptors.
	short(peer netip.AddrPort)
	// open is called when a connection has entered the loop of that number. From then on onTraffic is called, and at last
	// onClose. onClose is also called for connections that open was not called for.
	open(loop int, c gnet.Conn, a *arrival)
	onTraffic(loop int, c gnet.Conn) gnet.Action
	onClose(c gnet.Conn)
}

// callbacks is what gnet calls.
type callbacks struct {
	gnet.BuiltinEventEngine
	net *network
}

// OnOpen implements gnet.EventHandler.
func (b *callbacks) OnOpen(c gnet.Conn) ([]byte, gnet.Action) {
	if _, ok := c.Context().(marker); ok {
		return nil, gnet.None
	}
	loop := b.net.doorOf(c.EventLoop())
	d := b.net.doors[loop]
	a := d.opening
	d.opening = nil
	b.net.host.open(loop, c, a)
	return nil, gnet.None
}

// OnTraffic implements gnet.EventHandler.
func (b *callbacks) OnTraffic(c gnet.Conn) gnet.Action {
	loop := b.net.doorOf(c.EventLoop())
	b.net.doors[loop].event()
	return b.net.host.onTraffic(loop, c)
}

// OnClose implements gnet.EventHandler.
func (b *callbacks) OnClose(c gnet.Conn, _ error) gnet.Action {
	b.net.host.onClose(c)
	return gnet.None
}

// engineLog passes gnet's errors on and drops its chatter.
type engineLog struct {
	log *slog.Logger
	net *network
}

func (e engineLog) Debugf(string, ...any) {}
func (e engineLog) Infof(string, ...any)  {}
func (e engineLog) Warnf(format string, args ...any) {
	e.log.Debug("network engine", "text", fmt.Sprintf(format, args...))
}

// Errorf also looks for the one error that matters: gnet reports nowhere else that a loop of a Client has ended.
func (e engineLog) Errorf(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	e.log.Warn("network engine", "text", text)
	if strings.HasPrefix(text, "event-loop(") && strings.Contains(text, "is exiting") {
		e.net.fail(fmt.Errorf("%w: %s", ErrEnded, text))
	}
}
func (e engineLog) Fatalf(format string, args ...any) {
	e.log.Error("network engine", "text", fmt.Sprintf(format, args...))
}
