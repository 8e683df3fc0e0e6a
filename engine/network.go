package engine

import (
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/panjf2000/gnet/v2"
	"github.com/panjf2000/gnet/v2/pkg/logging"
	"golang.org/x/sys/unix"
)

// network is gnet below a Node or an Echo: the addresses, and the life of the event loops.
type network struct {
	gnet.BuiltinEventEngine
	gnet    gnet.Engine
	listens []listener
	booted  chan struct{} // closed when all event loops are there
	ticked  sync.Once
	ended   chan struct{} // closed when gnet has returned
	err     error         // of gnet, once ended is closed
}

func newNetwork() network {
	return network{booted: make(chan struct{}), ended: make(chan struct{})}
}

// listen returns when clients can connect. handler is the one that embeds n.
func (n *network) listen(handler gnet.EventHandler, addresses []string, loops int, log *slog.Logger) error {
	defer n.release()
	urls := make([]string, 0, len(addresses))
	for _, address := range addresses {
		l, err := reserve(address)
		if err != nil {
			return err
		}
		n.listens = append(n.listens, l)
		urls = append(urls, l.url())
	}
	go func() {
		defer close(n.ended)
		n.err = gnet.Rotate(handler, urls,
			gnet.WithNumEventLoop(loops), gnet.WithReusePort(true), gnet.WithReuseAddr(true),
			gnet.WithLoadBalancing(gnet.RoundRobin), gnet.WithTicker(true),
			gnet.WithTCPKeepAlive(2*time.Minute), gnet.WithLogger(quiet{log}), gnet.WithLogLevel(logging.ErrorLevel))
	}()
	select {
	case <-n.booted:
		return nil
	case <-n.ended:
		return fmt.Errorf("listen on %v: %w", addresses, n.err)
	}
}

// release lets go of the sockets that held the ports.
func (n *network) release() {
	for _, l := range n.listens {
		_ = l.held.Close()
	}
}

// OnBoot implements gnet.EventHandler. The event loops do not exist yet.
func (n *network) OnBoot(eng gnet.Engine) gnet.Action {
	n.gnet = eng
	return gnet.None
}

// OnTick implements gnet.EventHandler. gnet calls it first right after it has started its event loops, which no other
// callback tells; later calls are of no use here.
func (n *network) OnTick() (time.Duration, gnet.Action) {
	n.ticked.Do(func() { close(n.booted) })
	return 24 * time.Hour, gnet.None
}

// Addresses are where clients connect, in the order in which they were asked for.
func (n *network) Addresses() []netip.AddrPort {
	all := make([]netip.AddrPort, len(n.listens))
	for i, l := range n.listens {
		all[i] = l.addr
	}
	return all
}

// Ended is closed when the event loops have ended, asked or not; Err says why.
func (n *network) Ended() <-chan struct{} { return n.ended }

// notSentLowAt is how much unsent data the kernel takes for a socket. Without it the kernel hides up to 2.8 MB for
// every client that does not read.
const notSentLowAt = 16 << 10

func tune(c gnet.Conn) {
	_ = unix.SetsockoptInt(c.Fd(), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, notSentLowAt)
}

// closeWrite sends FIN.
func closeWrite(c gnet.Conn) { _ = unix.Shutdown(c.Fd(), unix.SHUT_WR) }

// quiet passes gnet's errors on and drops its chatter.
type quiet struct{ log *slog.Logger }

func (q quiet) Debugf(string, ...any) {}
func (q quiet) Infof(string, ...any)  {}
func (q quiet) Warnf(format string, args ...any) {
	q.log.Debug("network engine", "text", fmt.Sprintf(format, args...))
}
func (q quiet) Errorf(format string, args ...any) {
	q.log.Warn("network engine", "text", fmt.Sprintf(format, args...))
}
func (q quiet) Fatalf(format string, args ...any) {
	q.log.Error("network engine", "text", fmt.Sprintf(format, args...))
}
