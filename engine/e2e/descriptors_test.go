package e2e

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"stentor/engine/testkit"
	"stentor/engine/websocket"
	"stentor/stomp"
)

// from makes a dialer of connections from a loopback address: one address has 28,000 ports.
func from(address net.IP) *net.Dialer {
	return &net.Dialer{
		Timeout:   patience,
		LocalAddr: &net.TCPAddr{IP: address},
		Control: func(_, _ string, c syscall.RawConn) error {
			var err error
			return errors.Join(c.Control(func(fd uintptr) {
				err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
			}), err)
		},
	}
}

// flood opens connections until each of n has got a session or a 503. Those with a session stay.
func flood(t *testing.T, s *server, n int) (in []*peer, refused int) {
	t.Helper()
	const together = 64
	var (
		mu    sync.Mutex
		next  atomic.Int64
		group sync.WaitGroup
		wrong int
	)
	for worker := range together {
		group.Go(func() {
			d := from(net.IPv4(127, 0, 1, byte(1+worker%8)))
			for next.Add(1) <= int64(n) {
				p, err := open(t, d, s.Client)
				if err == nil {
					if err = p.upgrade("/ws"); err == nil {
						err = p.send(stomp.Connect, nil, "accept-version", "1.2")
					}
				}
				if err == nil {
					var e event
					if e, err = p.event(); err == nil && e.command != stomp.Connected {
						err = fmt.Errorf("got %v", e)
					}
				}
				var refusal *websocket.AnswerError
				mu.Lock()
				switch {
				case err == nil:
					in = append(in, p)
				case errors.As(err, &refusal) && refusal.Status == http.StatusServiceUnavailable:
					refused++
					p.close()
				default:
					if wrong++; wrong <= 5 {
						t.Errorf("neither in nor refused: %v", err)
					}
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if wrong > 5 {
		t.Errorf("%d more were neither in nor refused", wrong-5)
	}
	return in, refused
}

// crowd checks a server that may open a number of files against more clients than that.
func crowd(t *testing.T, files, clients int) {
	t.Helper()
	s := start(t, setup{Files: files, Set: []string{"limits.api_connections=16", "limits.connections=1000000", "limits.unauthenticated=1000000", "heartbeat.ping=0"}})
	atFirst := s.descriptors()
	capacity := int(s.Metric(t, "stentor_connections_max"))
	if capacity <= 0 || capacity >= files {
		t.Fatalf("%d clients with %d files", capacity, files)
	}
	in, refused := flood(t, s, clients)
	// One that is being refused still has its socket, so that a few places may be free for a moment.
	if len(in) > capacity || len(in) < capacity*9/10 || len(in)+refused != clients {
		t.Errorf("%d are in and %d refused, of %d; %d have room", len(in), refused, clients, capacity)
	}
	if n := s.Metric(t, met("connections")); int(n) != refused {
		t.Errorf("%v refusals were counted, want %d", n, refused)
	}
	// The node lives, for those who are in.
	in[0].subscribe("a", "/topic/shop/all")
	in[len(in)-1].subscribe("a", "/topic/shop/all")
	s.push(t, fields{"topic": "all", "payload": "x"})
	in[0].wantMessage("x")
	in[len(in)-1].wantMessage("x")
	for _, p := range in {
		p.close()
	}
	s.wantMetric(t, "stentor_connections", 0)
	s.join(t).close()
	s.wantMetric(t, "stentor_connections", 0)
	caller.CloseIdleConnections()
	eventually(t, "the descriptors are given back", func() bool { return s.descriptors() <= atFirst })
}

// TestDescriptors: more clients than descriptors are refused with an answer, and end nothing.
func TestDescriptors(t *testing.T) {
	t.Parallel()
	crowd(t, 700, 1500)
}

// TestDescriptorsFull is the same with as many clients as one address has ports for, roughly.
func TestDescriptorsFull(t *testing.T) { crowd(t, 4096, 19000) }

// TestTooFewDescriptors: a node that could hold nobody says so instead of starting.
func TestTooFewDescriptors(t *testing.T) {
	t.Parallel()
	cmd := testkit.New(t, completed(setup{Files: 400})).Command()
	timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "ulimit -n") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestDescriptorsReused: connections end in the middle of their own fan-out while others take their descriptors. Every
// message names its addressee, and none reaches anybody else.
func TestDescriptorsReused(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	atFirst := s.descriptors()
	const lives, workers = 1200, 12
	var (
		number  atomic.Int64
		group   sync.WaitGroup
		targets = make(chan string, 64)
		over    = make(chan struct{})
		pushers sync.WaitGroup
	)
	for range 3 {
		pushers.Go(func() {
			for {
				var f fields
				select {
				case <-over:
					return
				case to := <-targets:
					f = fields{"topic": "own/" + to, "payload": to}
				default:
					f = fields{"topic": "shared", "payload": "shared"}
				}
				if r, err := s.Call("POST", "/v1/projects/shop/push", "shop-key", f.json(t)); err != nil || r.Status != http.StatusOK && r.Field("code") != "busy" {
					t.Errorf("push: %v %d %s", err, r.Status, r.Body)
					return
				}
			}
		})
	}
	for range workers {
		group.Go(func() {
			for n := number.Add(1); n <= lives && !t.Failed(); n = number.Add(1) {
				if err := live(t, s, int(n), targets); err != nil {
					t.Errorf("client %d: %v", n, err)
				}
			}
		})
	}
	group.Wait()
	close(over)
	pushers.Wait()
	s.wantMetric(t, "stentor_connections", 0)
	s.wantMetric(t, "stentor_sessions", 0)
	s.wantMetric(t, "stentor_subscriptions", 0)
	s.wantMetric(t, "stentor_panics_total", 0)
	caller.CloseIdleConnections()
	eventually(t, "the descriptors are given back", func() bool { return s.descriptors() <= atFirst })
}

// live is one client's life: it connects, subscribes to what is shared, to its own, or to nothing, reads a little, and
// ends in one of several ways while it is being sent more.
func live(t *testing.T, s *server, n int, targets chan<- string) error {
	p, err := open(t, &net.Dialer{Timeout: patience}, s.Client)
	if err != nil {
		return err
	}
	defer p.close()
	if err := p.upgrade("/ws"); err != nil {
		return err
	}
	if err := p.send(stomp.Connect, nil, "accept-version", "1.2"); err != nil {
		return err
	}
	own := fmt.Sprint(n)
	shared, mine := n%4 != 0, n%4 > 1
	subscribed := []string{}
	if shared {
		subscribed = append(subscribed, "/topic/shop/shared")
	}
	if mine {
		subscribed = append(subscribed, "/topic/shop/own/"+own)
	}
	for i, dest := range subscribed {
		if err := p.send(stomp.Subscribe, nil, "id", fmt.Sprint(i), "destination", dest, "receipt", fmt.Sprint(i)); err != nil {
			return err
		}
	}
	if err := p.send(stomp.Send, nil, "destination", "/app/x", "receipt", "ready"); err != nil {
		return err
	}
	if mine {
		for range 2 {
			select {
			case targets <- own:
			default:
			}
		}
	}
	want := 3
	for ready, got := false, 0; !ready || shared && got < want; {
		e, err := p.event()
		if err != nil {
			return err
		}
		switch dest := e.headers["destination"]; {
		case e.command == stomp.Receipt:
			ready = ready || e.headers["receipt-id"] == "ready"
		case e.command != stomp.MessageCommand:
		case shared && dest == "/topic/shop/shared" && string(e.body) == "shared":
			got++
		case mine && dest == "/topic/shop/own/"+own && string(e.body) == own:
			got++
		default:
			return fmt.Errorf("got what is for another one: %v", e)
		}
	}
	switch n % 5 {
	case 0, 1:
		p.reset()
	case 2:
		return p.write([]byte{0x88, 0x80, 0, 0, 0, 0})
	case 3:
		return p.send(stomp.Disconnect, nil)
	}
	return nil
}

// TestPortTaken: a second node on the same address is told so, though the kernel would let both listen.
func TestPortTaken(t *testing.T) {
	t.Parallel()
	s := start(t, setup{})
	for _, set := range []string{"listen.client=" + s.Client, "listen.api=" + strings.TrimPrefix(s.API, "http://")} {
		cmd := s.Command("listen.client=127.0.0.1:0", "listen.api=127.0.0.1:0", set)
		timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		out, err := cmd.CombinedOutput()
		timer.Stop()
		if err == nil || !strings.Contains(string(out), "address already in use") {
			t.Errorf("%s: %v: %s", set, err, out)
		}
	}
}
