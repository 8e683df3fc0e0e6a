package client

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"stentor/bench/gen/measure"
	"stentor/bench/internal/fake"
	"stentor/engine/websocket"
	"stentor/stomp"
)

func secured(t *testing.T) (*fake.Server, Options) {
	t.Helper()
	s, ca, err := fake.ListenTLS("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	o := options(s)
	o.TLS = &tls.Config{ServerName: "127.0.0.1", RootCAs: x509.NewCertPool()}
	o.TLS.RootCAs.AppendCertsFromPEM(ca)
	return s, o
}

func TestTLS(t *testing.T) {
	const connections, pushes = 60, 20
	s, o := secured(t)
	o.Heartbeat = 500 * time.Millisecond
	s.SetHeartbeat("0,250")
	c := connect(t, o)
	ctx := bounded(t)
	before := runtime.NumGoroutine()
	if err := c.Open(ctx, Reading, connections); err != nil {
		t.Fatal(err)
	}
	// One goroutine each is the fake server's.
	if n := runtime.NumGoroutine() - before; n > connections+5 {
		t.Errorf("%d goroutines for %d connections", n, connections)
	}
	for i := range pushes {
		s.Push(topic, measure.AppendPayload(nil, uint32(i+1), time.Now().UnixNano(), 200+i*2000)) // over several records
	}
	if err := c.WaitDelivered(ctx, connections*pushes); err != nil {
		t.Fatal(err, c.Counts())
	}
	if got := c.Counts(); got.Order != (measure.Order{}) || got.Reading != connections || len(got.Failures) > 0 {
		t.Errorf("%+v", got)
	}
	eventually(t, "heart-beats", func() bool { return s.Heartbeats() >= connections })
	if err := c.Drop(Reading, connections/2); err != nil {
		t.Fatal(err)
	}
	if err := c.Open(ctx, Reading, connections/2); err != nil {
		t.Fatal(err)
	}
	// The close frame stands in a second record, which is read in the same turn as the first.
	m := stomp.NewMessage(topic, "1-0-1", "application/json", nil, measure.AppendPayload(nil, pushes+1, time.Now().UnixNano(), 20_000))
	last := websocket.AppendFrame(nil, ws.OpText, m.AppendTo(nil, stomp.V12, []byte("subscription:0\n")))
	last = websocket.AppendClose(last, 1012, "restart")
	s.Each(func(write func([]byte)) { write(last) })
	eventually(t, "closed", func() bool { return c.Counts().Reading == 0 })
	if got := c.Counts(); got.Failed() != connections || got.Opening != 0 { // each once, though more could be read
		t.Errorf("%+v", got)
	}
}

func TestTLSFailures(t *testing.T) {
	_, untrusted := secured(t)
	untrusted.TLS = &tls.Config{ServerName: "127.0.0.1"}
	plain := untrusted
	plain.Addresses = []netip.AddrPort{serve(t).Address()}
	for name, test := range map[string]struct {
		o     Options
		cause string
	}{
		"unknown authority": {untrusted, "unknown authority"},
		"no TLS there":      {plain, "TLS: "},
	} {
		err := connect(t, test.o).Open(bounded(t), Reading, 5)
		if err == nil || !strings.Contains(err.Error(), test.cause) || !strings.Contains(err.Error(), "5 of 5") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// mute accepts connections and says nothing.
func mute(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return netip.MustParseAddrPort(l.Addr().String())
}

// A server that says nothing must not hold a connection up for ever, in whatever state.
func TestOpenTimeout(t *testing.T) {
	_, o := secured(t)
	for name, secure := range map[string]bool{"plain": false, "TLS": true} {
		o := o
		if !secure {
			o.TLS = nil
		}
		o.Addresses, o.OpenTimeout = []netip.AddrPort{mute(t)}, 200*time.Millisecond
		err := connect(t, o).Open(bounded(t), Reading, 5)
		if err == nil || !strings.Contains(err.Error(), "5 of 5") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Close while handshakes are under way must end the workers.
func TestCloseDuringHandshakes(t *testing.T) {
	_, o := secured(t)
	o.Addresses, o.OpenTimeout = []netip.AddrPort{mute(t)}, 300*time.Millisecond
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	c.Begin(Reading, 100, time.Now())
	eventually(t, "handshakes", func() bool { return c.Counts().Opening == 100 })
	c.Close()
}
