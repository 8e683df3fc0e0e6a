package engine

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/prometheus/client_golang/prometheus"

	"stentor/engine/bus"
	"stentor/engine/certs"
	"stentor/engine/history"
	"stentor/engine/loop"
	"stentor/engine/testkit"
	"stentor/engine/testkit/certificate"
	"stentor/engine/testkit/ledger"
	"stentor/engine/tls13"
	"stentor/engine/websocket"
	"stentor/stomp"
)

// startSecure starts a node whose first listener speaks TLS, and returns what a client needs to trust it.
func startSecure(t testing.TB, ours bool, change func(*Options)) (n testNode, trust *tls.Config, stop func()) {
	t.Helper()
	pair, err := certificate.New()
	if err != nil {
		t.Fatal(err)
	}
	file, err := pair.Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c, err := certs.Load(certs.Options{Pairs: []certs.Pair{{Cert: file, Key: file + ".key"}}, MinVersion: tls.VersionTLS12, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	n, stop = startNodeWith(t, nil, func(o *Options) {
		o.Listen = []string{"127.0.0.1:0 tls"}
		o.TLS, o.Limits.Handshakes = &loop.TLS{Config: c.Clients(), Records: ours, CipherBytes: 1 << 20}, 1000
		o.History = history.Bounds{Window: time.Minute, Bytes: 16 << 20}
		o.Limits.PendingBytes = 16 << 20
		change(o)
	})
	return n, pair.Trusting(), stop
}

// inBoth runs a test with records of ours and with those of crypto/tls. No number of a record is used twice with a key.
func inBoth(t *testing.T, test func(t *testing.T, ours bool)) {
	t.Parallel() // most of the time passes until clients that do not answer are closed
	ledger.Watch(t, tls13.Observe)
	for name, ours := range map[string]bool{"records of ours": true, "records of crypto/tls": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, ours)
		})
	}
}

// slowly is a connection that writes in small pieces.
type slowly struct {
	net.Conn
	size int
}

func (s slowly) Write(p []byte) (n int, err error) {
	for err == nil && n < len(p) {
		var k int
		k, err = s.Conn.Write(p[n:min(len(p), n+s.size)])
		n += k
	}
	return n, err
}

// over wraps c's connection in TLS.
func (c *testClient) over(conf *tls.Config) *testClient {
	c.conn = tls.Client(c.conn, conf)
	return c
}

// failed is the metric of a reason.
func (n testNode) failed(t *testing.T, reason string) float64 {
	t.Helper()
	return n.counted(t, "stentor_tls_failures_total", reason)
}

// counted is a metric, of the label's value if that is not empty; it must be there.
func (n testNode) counted(t *testing.T, name, label string) (count float64) {
	t.Helper()
	there := false
	registry := prometheus.NewRegistry()
	registry.MustRegister(n.Node)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && (label == "" || m.GetLabel()[0].GetValue() == label) {
				count += m.GetCounter().GetValue() + m.GetGauge().GetValue()
				there = true
			}
		}
	}
	if !there {
		t.Fatalf("nothing counts %s %s", name, label)
	}
	return count
}

// failures waits until so many failures of a reason are counted.
func (n testNode) failures(t *testing.T, reason string, want float64) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); n.failed(t, reason) < want; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%v failures of %q, want %v", n.failed(t, reason), reason, want)
		}
	}
}

// TestTLS: sessions, pushes of any size and answers pass, over each kind of listener and version, however the bytes come.
func TestTLS(t *testing.T) { inBoth(t, testTLS) }

func testTLS(t *testing.T, ours bool) {
	before := ledger.Sealed()
	path := filepath.Join(t.TempDir(), "s")
	n, trust, stop := startSecure(t, ours, func(o *Options) {
		o.Listen = append(o.Listen, "127.0.0.1:0 proxy_protocol tls", "unix:"+path+" tls")
		o.TrustedProxies = trustLoopback
	})
	defer stop()
	body := bytes.Repeat([]byte("0123456789abcdef"), 10_000)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, piece := range []int{1 << 20, 700, 1} {
			for name, address := range map[string]string{"tcp": n.Addresses()[0].String(), "proxied": n.Addresses()[1].String(), "unix": path} {
				t.Run(name+" "+tls.VersionName(version), func(t *testing.T) {
					network := "tcp"
					if name == "unix" {
						network = "unix"
					}
					c := dialTest(t, network, address)
					c.conn = slowly{c.conn, piece}
					if name == "proxied" {
						c.write(t, []byte(line4))
					}
					conf := trust.Clone()
					conf.MaxVersion = version
					c.over(conf)
					c.connect(t)
					c.send(t, stomp.Subscribe, "id", "1", "destination", "/topic/shop/a", "receipt", "7")
					c.until(t, "receipt-id:7")
					for _, b := range [][]byte{[]byte("small"), body} {
						n.publish(t, &bus.Record{Project: "shop", Destination: "/topic/shop/a", Body: b})
						c.until(t, "MESSAGE")
						c.until(t, string(b)+"\x00")
					}
					if name == "proxied" {
						if got := n.sessionAddresses(t); len(got) != 1 || got[0] != "203.0.113.7:4711" {
							t.Errorf("the sessions are from %v", got)
						}
					}
					c.write(t, websocket.AppendMasked(nil, ws.OpClose, [4]byte{1, 2, 3, 4}, []byte{3, 232}))
					if _, err := io.Copy(io.Discard, c.conn); err != nil {
						t.Errorf("the end is not close_notify: %v", err)
					}
					_ = c.conn.Close()
					n.gone(t)
				})
			}
		}
	}
	if got := n.failed(t, ""); got != 0 {
		t.Errorf("%v failures are counted", got)
	}
	if ours && ledger.Sealed() == before {
		t.Error("tls13 has sealed no record")
	}
}

// TestTLSCiphers: what the record layers count becomes metrics. crypto/tls's records count nothing.
func TestTLSCiphers(t *testing.T) { inBoth(t, testTLSCiphers) }

func testTLSCiphers(t *testing.T, ours bool) {
	n, trust, stop := startSecure(t, ours, func(*Options) {})
	defer stop()
	c := n.dial(t).over(trust)
	c.connect(t)
	const receipts = 8
	for i := range receipts {
		c.send(t, stomp.Subscribe, "id", strconv.Itoa(i), "destination", "/topic/shop/a", "receipt", strconv.Itoa(i))
		c.until(t, "receipt-id:"+strconv.Itoa(i)+"\n")
	}
	counts := func() (got [4]float64) {
		return [4]float64{
			n.counted(t, "stentor_tls_ciphers", ""), n.counted(t, "stentor_tls_cipher_uses_total", "made"),
			n.counted(t, "stentor_tls_cipher_uses_total", "kept"), n.counted(t, "stentor_tls_key_updates_total", ""),
		}
	}
	enough := func() bool { got := counts(); return got[0] == 1 && got[1] >= 1 && got[2] >= receipts && got[3] == 0 }
	if !ours {
		if got := counts(); got != [4]float64{} {
			t.Errorf("crypto/tls's records are counted: %v", got)
		}
		return
	}
	testkit.Eventually(t, 20*time.Second, func() string { return fmt.Sprint("the counts of one connection, not ", counts()) }, enough)
	_ = c.conn.Close()
	n.gone(t)
	testkit.Eventually(t, 20*time.Second, func() string { return "no cipher is kept" }, func() bool { return counts()[0] == 0 })
}

// TestTLSLargePush: a client that reads in small steps gets all of a large push, and the answer behind it.
func TestTLSLargePush(t *testing.T) { inBoth(t, testTLSLargePush) }

func testTLSLargePush(t *testing.T, ours bool) {
	n, trust, stop := startSecure(t, ours, func(*Options) {})
	defer stop()
	body := bytes.Repeat([]byte("0123456789abcdef"), 3<<16)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		conf := trust.Clone()
		conf.MaxVersion = version
		c := n.dial(t).over(conf)
		c.connect(t)
		c.send(t, stomp.Subscribe, "id", "1", "destination", "/topic/shop/a", "receipt", "7")
		c.until(t, "receipt-id:7")
		n.publish(t, &bus.Record{Project: "shop", Destination: "/topic/shop/a", Body: body})
		c.until(t, "MESSAGE")
		c.send(t, stomp.Subscribe, "id", "2", "destination", "/topic/shop/a", "receipt", "8")
		c.until(t, string(body)+"\x00")
		c.until(t, "receipt-id:8")
		_ = c.conn.Close()
		n.gone(t)
	}
}

// TestTLSResumes: a ticket resumes, also behind a reload, and is counted.
func TestTLSResumes(t *testing.T) { inBoth(t, testTLSResumes) }

func testTLSResumes(t *testing.T, ours bool) {
	n, trust, stop := startSecure(t, ours, func(*Options) {})
	defer stop()
	trust.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for i := range 3 {
		c := n.dial(t).over(trust)
		c.connect(t)
		if got := c.conn.(*tls.Conn).ConnectionState().DidResume; got != (i > 0) {
			t.Errorf("connection %d: resumed %t", i, got)
		}
	}
	made, _ := n.server.Handshakes()
	full, resumed := 0, 0
	for one, count := range made {
		if one.Resumed {
			resumed += int(count)
		} else {
			full += int(count)
		}
	}
	if full != 1 || resumed != 2 {
		t.Errorf("%d full and %d resumed handshakes are counted", full, resumed)
	}
}

// TestTLSOrigin: a page of the node's own origin may connect, as the scheme is known.
func TestTLSOrigin(t *testing.T) { inBoth(t, testTLSOrigin) }

func testTLSOrigin(t *testing.T, ours bool) {
	n, trust, stop := startSecure(t, ours, func(o *Options) { o.Listen = append(o.Listen, "127.0.0.1:0") })
	defer stop()
	request := websocket.AppendRequest(nil, "push.example.com", "/ws", websocket.NewKey())
	request = bytes.Replace(request, []byte("\r\n"), []byte("\r\nOrigin: https://push.example.com\r\n"), 1)
	c := n.dial(t).over(trust)
	c.write(t, request)
	c.until(t, "HTTP/1.1 101")
	c = dialTest(t, "tcp", n.Addresses()[1].String())
	c.write(t, request)
	c.until(t, "HTTP/1.1 403")
}

// TestTLSFailures: who does not complete the handshake is closed, told why where it can be, and counted by reason.
func TestTLSFailures(t *testing.T) { inBoth(t, testTLSFailures) }

func testTLSFailures(t *testing.T, ours bool) {
	var log lines
	n, trust, stop := startSecure(t, ours, func(o *Options) {
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
	})
	defer stop()
	hello := clientHello(t, trust)
	for _, c := range []struct{ reason, send string }{
		{"plain_http", "GET /ws HTTP/1.1\r\nHost: h\r\n\r\n"},
		{"not_tls", "\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00"},
		{"not_tls", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"},
		{"not_tls", "\x00"},
		{"not_tls", "\x16\x03\x01\x48\x01"},
		{"not_tls", "\x16\x03\x01\x00\x04\x01\x01\x00\x00"}, // of 64 KiB
		{"protocol", hello[:43] + strings.Repeat("\xff", len(hello)-43)},
		{"protocol", hello + "\x17\x03\x03\x00\x05hello"},
	} {
		before := n.failed(t, c.reason)
		client := n.dial(t)
		_, _ = client.conn.Write([]byte(c.send))
		if c.reason == "plain_http" {
			client.until(t, "HTTP/1.1 400")
			client.until(t, "wss://")
		}
		client.end(t)
		n.failures(t, c.reason, before+1)
	}
	half := n.dial(t)
	half.write(t, []byte(hello[:20]))
	_ = half.conn.Close()
	n.failures(t, "closed", 1)
	stalled := n.dial(t)
	stalled.write(t, []byte(hello))
	stalled.until(t, "\x16\x03\x03")
	_ = stalled.conn.Close()
	n.failures(t, "closed", 2)

	distrusts := n.dial(t)
	if err := tls.Client(distrusts.conn, &tls.Config{ServerName: certificate.Name}).Handshake(); err == nil {
		t.Error("an unknown authority is trusted")
	}
	n.failures(t, "client_alert", 1)
	old := n.dial(t)
	if err := tls.Client(old.conn, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}).Handshake(); err == nil {
		t.Error("TLS 1.1 is accepted")
	}
	n.failures(t, "version", 1)

	all := n.failed(t, "")
	lines := log.count("reason=tls_")
	probe := n.dial(t)
	_ = probe.conn.Close()
	n.gone(t)
	if got := n.failed(t, ""); got != all || log.count("reason=tls_") > lines {
		t.Error("a probe counts as a failure, or is logged")
	}
	if log.count("level=WARN")+log.count("level=ERROR") > 0 {
		t.Error(log.all())
	}
}

// TestTLSQuickLeave: a client that leaves as soon as it has read why counts under that reason.
func TestTLSQuickLeave(t *testing.T) { inBoth(t, testTLSQuickLeave) }

func testTLSQuickLeave(t *testing.T, ours bool) {
	n, _, stop := startSecure(t, ours, func(*Options) {})
	defer stop()
	const clients = 100
	hello := clientHello(t, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	for range clients {
		c := n.dial(t)
		c.write(t, []byte(hello))
		c.until(t, "\x15\x03")
		_ = c.conn.Close()
	}
	n.failures(t, "version", clients)
	if got := n.failed(t, "closed"); got != 0 {
		t.Errorf("%v are counted as closed by the client", got)
	}
}

// clientHello is certificate.ClientHello.
func clientHello(t *testing.T, conf *tls.Config) string {
	t.Helper()
	hello, err := certificate.ClientHello(conf)
	if err != nil {
		t.Fatal(err)
	}
	return string(hello)
}

// TestTLSStalled: handshakes that never end are bounded, for an address and in all, are closed in time, and leave room for
// others; no goroutine is left.
func TestTLSStalled(t *testing.T) { inBoth(t, testTLSStalled) }

func testTLSStalled(t *testing.T, ours bool) {
	n, trust, stop := startSecure(t, ours, func(o *Options) {
		o.Limits.Handshakes = 100
		o.Shard.HandshakeTimeout = 2 * time.Second
	})
	defer stop()
	hello := clientHello(t, trust)
	var stalled []*testClient
	for range 12 {
		c := n.dial(t)
		c.write(t, []byte(hello))
		stalled = append(stalled, c)
	}
	n.failures(t, "busy", 3) // one address may have a tenth of what is free
	for _, c := range stalled {
		c.end(t)
	}
	n.failures(t, "timeout", 9)
	n.gone(t)
	for end := time.Now().Add(20 * time.Second); n.shaking.count() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d handshakes are under way", n.shaking.count())
		}
	}
	c := n.dial(t).over(trust)
	c.connect(t)
}

// TestTLSDrain: a node that leaves tells each client over TLS, also those within their handshake.
func TestTLSDrain(t *testing.T) { inBoth(t, testTLSDrain) }

func testTLSDrain(t *testing.T, ours bool) {
	n, trust, stop := startSecure(t, ours, func(*Options) {})
	hello := clientHello(t, trust)
	_ = n.dial(t) // it sends nothing, which is no failure
	half := n.dial(t)
	half.write(t, []byte(hello[:20]))
	begun := n.dial(t)
	begun.write(t, []byte(hello))
	begun.until(t, "\x16\x03\x03")
	open := n.dial(t).over(trust)
	open.connect(t)
	testkit.Eventually(t, 20*time.Second, func() string { return "half a ClientHello has come" }, func() bool {
		return n.counted(t, "stentor_unauthenticated_bytes", "") >= float64(len(hello)+20)
	})
	stop()
	open.until(t, "\x88")
	if _, err := io.Copy(io.Discard, open.conn); err != nil {
		t.Errorf("the end is not close_notify: %v", err)
	}
	if ended, all := n.failed(t, "ended"), n.failed(t, ""); ended != 2 || all != 2 {
		t.Errorf("of %v failures %v are of handshakes that the node ended, want 2 of 2", all, ended)
	}
}

// TestTLSReset: a client that resets its connection has closed it, however far the handshake has come; before its first byte
// that is a probe.
func TestTLSReset(t *testing.T) { inBoth(t, testTLSReset) }

func testTLSReset(t *testing.T, ours bool) {
	n, trust, stop := startSecure(t, ours, func(*Options) {})
	defer stop()
	hello := clientHello(t, trust)
	for i, begin := range []string{"", hello[:1], hello[:20], hello} {
		c := n.dial(t)
		c.write(t, []byte(begin))
		switch begin {
		case "":
		case hello:
			c.until(t, "\x16\x03\x03")
		default:
			testkit.Eventually(t, 20*time.Second, func() string { return "its bytes are counted" }, func() bool { return n.counted(t, "stentor_unauthenticated_bytes", "") > 0 })
		}
		_ = c.conn.(*net.TCPConn).SetLinger(0)
		_ = c.conn.Close()
		n.failures(t, "closed", float64(i))
		n.gone(t)
	}
	if all := n.failed(t, ""); all != 3 {
		t.Errorf("%v failures are counted, want 3", all)
	}
}

// TestTLSJunk: what is no record after the handshake ends the connection with an alert, and takes only it.
func TestTLSJunk(t *testing.T) { inBoth(t, testTLSJunk) }

func testTLSJunk(t *testing.T, ours bool) {
	n, trust, stop := startSecure(t, ours, func(*Options) {})
	defer stop()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		conf := trust.Clone()
		conf.MaxVersion = version
		for _, junk := range []string{
			"\x17\x03\x03\x00\x20" + strings.Repeat("x", 32), // not sealed
			"\x17\x03\x03\x7f\xff",                           // too large
			"GET / HTTP/1.1\r\n\r\n",
			"\x16\x03\x03\x00\x04\x00\x00\x00\x00",
			"\x15\x03\x03\x00\x02\x02\x28",
		} {
			c := n.dial(t)
			below := c.conn
			c.over(conf)
			c.connect(t)
			_, _ = below.Write([]byte(junk))
			_, err := io.Copy(io.Discard, c.conn)
			var alert *net.OpError
			if err != nil && !(errors.As(err, &alert) && alert.Op == "remote error") {
				t.Errorf("%q: %v", junk, err)
			}
			_ = below.Close()
			n.gone(t)
		}
	}
	if got := n.server.BrokenRecords(); got != 10 {
		t.Errorf("%d connections are counted, want 10", got)
	}
}
