package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/panjf2000/gnet/v2"
	"github.com/panjf2000/gnet/v2/pkg/logging"
	"golang.org/x/sys/unix"
)

// network is gnet below a Node or an Echo: the addresses, and the life of the event loops.
type network struct {
	gnet.BuiltinEventEngine
	ports    []port
	files    []*socketFile
	proxied  map[string]bool // addresses, as gnet's connections have them, of the listeners for proxies
	reactors []*reactor
	ended    chan struct{} // closed when the first reactor has ended
	ending   sync.Once
	// keepAlive is after how much silence the kernel asks whether a TCP peer is still there. 0, for never, where its owner
	// asks: a million idle connections at 2 minutes are 8,000 probes a second, each with its answer.
	keepAlive time.Duration
}

// keepAliveTime is network.keepAlive where nothing else finds peers that vanished.
const keepAliveTime = 2 * time.Minute

func newNetwork() network {
	return network{proxied: map[string]bool{}, ended: make(chan struct{})}
}

// reactor is one engine of gnet. There is one for all TCP addresses, whose loops accept for themselves (SO_REUSEPORT),
// and one for all Unix sockets, which know no such thing: an acceptor hands each connection to the loop with the fewest.
type reactor struct {
	gnet.EventHandler // the Node or Echo
	loops             int
	engine            gnet.Engine
	booted            chan struct{} // closed when all event loops are there
	ticked            sync.Once
	ended             chan struct{} // closed when gnet has returned
	err               error         // of gnet, once ended is closed
}

// engines is how many reactors the listeners need.
func engines(listeners []Listener) int {
	tcp, local := 0, 0
	for _, l := range listeners {
		if l.Path == "" {
			tcp = 1
		} else {
			local = 1
		}
	}
	return tcp + local
}

// listen returns when all event loops run, loops of them in each reactor; clients of TCP can connect then, those of Unix
// sockets after place. handler is the one that embeds n. After an error the caller has to stop what runs.
func (n *network) listen(handler gnet.EventHandler, listeners []Listener, loops int, log *slog.Logger) error {
	defer n.release()
	var tcp, local []string
	for _, l := range listeners {
		if l.Path != "" {
			f, err := newSocketFile(l)
			if err != nil {
				return err
			}
			n.files = append(n.files, f)
			n.expect(l, f.bound())
			local = append(local, "unix://"+f.bound())
			continue
		}
		p, err := reserve(l.Address)
		if err != nil {
			return err
		}
		n.ports = append(n.ports, p)
		n.expect(l, p.addr.String())
		tcp = append(tcp, p.url())
	}
	options := []gnet.Option{
		gnet.WithNumEventLoop(loops), gnet.WithTicker(true),
		gnet.WithLogger(quiet{log}), gnet.WithLogLevel(logging.ErrorLevel),
	}
	if len(local) > 0 {
		if err := n.run(handler, local, loops, append(slices.Clip(options), gnet.WithLoadBalancing(gnet.LeastConnections))); err != nil {
			return err
		}
	}
	if len(tcp) > 0 {
		return n.run(handler, tcp, loops, append(options, gnet.WithLoadBalancing(gnet.RoundRobin),
			gnet.WithReusePort(true), gnet.WithReuseAddr(true), gnet.WithTCPKeepAlive(n.keepAlive)))
	}
	return nil
}

// expect notes a listener for proxies by its address.
func (n *network) expect(l Listener, address string) {
	if l.ProxyProtocol {
		n.proxied[address] = true
	}
}

// run starts a reactor and returns when its loops are there.
func (n *network) run(handler gnet.EventHandler, urls []string, loops int, options []gnet.Option) error {
	r := &reactor{EventHandler: handler, loops: loops, booted: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer n.ending.Do(func() { close(n.ended) })
		defer close(r.ended)
		r.err = gnet.Rotate(r, urls, options...)
	}()
	select {
	case <-r.booted:
		n.reactors = append(n.reactors, r)
		return nil
	case <-r.ended:
		return fmt.Errorf("listen on %v: %w", urls, r.err)
	}
}

// place lets clients find the Unix sockets.
func (n *network) place() error {
	for _, f := range n.files {
		if err := f.place(); err != nil {
			return err
		}
	}
	return nil
}

// release lets go of the sockets that held the ports.
func (n *network) release() {
	for _, p := range n.ports {
		_ = p.held.Close()
	}
}

// close ends the event loops, and with them every connection, and takes the Unix sockets away. It returns when all is
// over, or with ctx.
func (n *network) close(ctx context.Context) error {
	errs := make([]error, len(n.reactors))
	var group sync.WaitGroup
	for i, r := range n.reactors {
		group.Go(func() {
			errs[i] = r.engine.Stop(ctx)
			select {
			case <-r.ended:
			case <-ctx.Done():
			}
		})
	}
	group.Wait()
	for _, f := range n.files {
		f.remove()
	}
	return errors.Join(errs...)
}

// failure is why the event loops ended, after Ended; nil when gnet says nothing.
func (n *network) failure() error {
	var errs []error
	for _, r := range n.reactors {
		select {
		case <-r.ended:
			errs = append(errs, r.err)
		default:
		}
	}
	return errors.Join(errs...)
}

// OnBoot implements gnet.EventHandler. The event loops do not exist yet.
func (r *reactor) OnBoot(engine gnet.Engine) gnet.Action {
	r.engine = engine
	return gnet.None
}

// OnTick implements gnet.EventHandler. gnet calls it first right after it has started its event loops, which no other
// callback tells; later calls are of no use here.
func (r *reactor) OnTick() (time.Duration, gnet.Action) {
	r.ticked.Do(func() { close(r.booted) })
	return 24 * time.Hour, gnet.None
}

// Addresses are where clients connect over TCP, in the order in which they were asked for.
func (n *network) Addresses() []netip.AddrPort {
	all := make([]netip.AddrPort, len(n.ports))
	for i, p := range n.ports {
		all[i] = p.addr
	}
	return all
}

// Paths are the Unix sockets where clients connect, in the order in which they were asked for.
func (n *network) Paths() []string {
	all := make([]string, len(n.files))
	for i, f := range n.files {
		all[i] = f.Path
	}
	return all
}

// Ended is closed when event loops have ended, asked or not; Err says why.
func (n *network) Ended() <-chan struct{} { return n.ended }

// notSentLowAt is how much unsent data the kernel takes for a TCP socket. Without it the kernel hides up to 2.8 MB for
// every client that does not read.
const notSentLowAt = 16 << 10

// sendBuffer is its counterpart for a Unix socket, where what the other end has not read is the sender's: the kernel
// takes as much until it says EAGAIN, and counts its own overhead in (it doubles the number for that).
const sendBuffer = 16 << 10

// tune bounds what the kernel takes for a client that does not read.
func tune(c gnet.Conn, local bool) {
	if local {
		_ = unix.SetsockoptInt(c.Fd(), unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer)
		return
	}
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
