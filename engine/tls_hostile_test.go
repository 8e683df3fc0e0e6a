package engine

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"stentor/engine/shard"
	"stentor/engine/testkit"
	"stentor/stomp"
)

// sealer is a client of TLS 1.3 that seals records of its own, of any type. crypto/tls makes its handshake.
type sealer struct {
	*testClient
	below  *heldBack
	client *tls.Conn // reads what the node sends
	secret []byte    // of the client's traffic
	aead   cipher.AEAD
	iv     []byte
	number uint64
}

// heldBack is a connection that writes nothing from its second write on, the client's last part of the handshake, if holds.
type heldBack struct {
	net.Conn
	holds  bool
	writes int
}

func (h *heldBack) Write(p []byte) (int, error) {
	if h.writes++; h.holds && h.writes > 1 {
		return len(p), nil
	}
	return h.Conn.Write(p)
}

// seals makes the handshake, but for the client's last part if within, and seals from then on with the client's key.
func (n testNode) seals(t *testing.T, trust *tls.Config, within bool) *sealer {
	t.Helper()
	s := &sealer{testClient: n.dial(t)}
	s.below = &heldBack{Conn: s.conn, holds: within}
	s.conn = s.below
	var log bytes.Buffer
	conf := trust.Clone()
	conf.MinVersion, conf.KeyLogWriter = tls.VersionTLS13, &log
	c := tls.Client(s.conn, conf)
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	if suite := c.ConnectionState().CipherSuite; suite != tls.TLS_AES_128_GCM_SHA256 {
		t.Skipf("the suite is %s", tls.CipherSuiteName(suite))
	}
	name := "CLIENT_TRAFFIC_SECRET_0 "
	if within {
		name = "CLIENT_HANDSHAKE_TRAFFIC_SECRET "
	}
	_, line, _ := strings.Cut(log.String(), name)
	line, _, _ = strings.Cut(line, "\n")
	secret, err := hex.DecodeString(line[strings.Index(line, " ")+1:])
	if err != nil {
		t.Fatal(err)
	}
	s.client, s.secret = c, secret
	s.key(t, secret)
	return s
}

// key derives what records are sealed with from a secret (RFC 8446 section 7.3).
func (s *sealer) key(t *testing.T, secret []byte) {
	t.Helper()
	block, err := aes.NewCipher(s.expand(t, secret, "key", 16))
	if err != nil {
		t.Fatal(err)
	}
	if s.aead, err = cipher.NewGCM(block); err != nil {
		t.Fatal(err)
	}
	s.iv, s.number = s.expand(t, secret, "iv", 12), 0
}

func (s *sealer) expand(t *testing.T, secret []byte, label string, size int) []byte {
	t.Helper()
	info := append([]byte{0, byte(size), byte(len("tls13 " + label))}, "tls13 "+label+"\x00"...)
	out, err := hkdf.Expand(sha256.New, secret, string(info), size)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// seal is a record of that type.
func (s *sealer) seal(kind byte, content string) []byte {
	nonce := bytes.Clone(s.iv)
	binary.BigEndian.PutUint64(nonce[4:], binary.BigEndian.Uint64(nonce[4:])^s.number)
	s.number++
	inner := append([]byte(content), kind)
	if kind == 0 {
		inner = inner[:len(content)] // there is none
	}
	size := len(inner) + s.aead.Overhead()
	head := []byte{23, 3, 3, byte(size >> 8), byte(size)}
	return s.aead.Seal(head, nonce, inner, head)
}

// ends waits until the node has closed the connection, which goes on sending next.
func (s *sealer) ends(t *testing.T, next func() []byte, most int) (sent int) {
	t.Helper()
	_ = s.below.Conn.SetDeadline(time.Now().Add(time.Minute))
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = io.Copy(io.Discard, s.below.Conn)
	}()
	for sent < most {
		n, err := s.below.Conn.Write(next())
		sent += n
		if err != nil {
			break
		}
	}
	select {
	case <-gone:
	case <-time.After(50 * time.Second):
		t.Errorf("the node is still there after %d bytes", sent)
	}
	return sent
}

// TestTLSMessages: a client cannot make the node keep a message of the handshake that takes more than any client needs, within
// the handshake or behind it.
func TestTLSMessages(t *testing.T) { inBoth(t, testTLSMessages) }

func testTLSMessages(t *testing.T, ours bool) {
	const (
		typeHandshake   = 22
		typeCertificate = "\x0b"
	)
	n, trust, stop := startSecure(t, ours, func(o *Options) { o.Shard.HandshakeTimeout = time.Hour })
	defer stop()
	for _, within := range []bool{true, false} {
		s := n.seals(t, trust, within)
		part := typeCertificate + "\x03\xff\x00" // it takes 255 KiB
		s.ends(t, func() []byte {
			record := s.seal(typeHandshake, part+strings.Repeat("x", 8<<10))
			part = ""
			return record
		}, 100<<10)
		n.gone(t)
	}
}

// TestTLSRecords: what no client may send behind the handshake is answered with the alert of the standard, by records of ours as
// by those of crypto/tls, and is counted.
func TestTLSRecords(t *testing.T) { inBoth(t, testTLSRecords) }

func testTLSRecords(t *testing.T, ours bool) {
	n, trust, stop := startSecure(t, ours, func(*Options) {})
	defer stop()
	const (
		changeCipherSpec = 20
		alert            = 21
		handshake        = 22
		data             = 23
		heartbeat        = 24
	)
	sealed := func(kind byte, contents ...string) func(*sealer) []byte {
		return func(s *sealer) (all []byte) {
			for _, c := range contents {
				all = append(all, s.seal(kind, c)...)
			}
			return all
		}
	}
	plain := func(text string) func(*sealer) []byte { return func(*sealer) []byte { return []byte(text) } }
	flipped := func(bit int) func(*sealer) []byte {
		return func(s *sealer) []byte {
			record := s.seal(data, "x")
			record[bit/8] ^= 1 << (bit % 8)
			return record
		}
	}
	type one struct {
		does  string
		sends func(*sealer) []byte
		want  string // of which the alert is one
	}
	all := []one{
		{"a content of 16,385 bytes", sealed(data, strings.Repeat("x", 1<<14+1)), "record overflow"},
		{"a record of 16,641 bytes", plain("\x17\x03\x03\x41\x01" + strings.Repeat("x", 1<<14+257)), "record overflow"},
		{"padding only", sealed(0, strings.Repeat("\x00", 100)), "unexpected message"},
		{"change_cipher_spec", plain(strings.Repeat("\x14\x03\x03\x00\x01\x01", 20)), "unexpected message"}, // crypto/tls passes over the first 16
		{"change_cipher_spec, sealed", sealed(changeCipherSpec, strings.Split(strings.Repeat("\x01", 20), "")...), "unexpected message"},
		{"a heartbeat, sealed", sealed(heartbeat, "\x01\x00\x03abc"), "unexpected message"},
		{"an alert in plain text", plain("\x15\x03\x03\x00\x02\x01\x00"), "unexpected message, bad record MAC"},
		{"data in plain text", plain("\x17\x03\x03\x00\x20" + strings.Repeat("x", 32)), "bad record MAC"},
		{"a ClientHello in plain text", plain(clientHello(t, trust)), "unexpected message, bad record MAC, protocol version not supported"},
		{"a ClientHello, sealed", sealed(handshake, "\x01\x00\x00\x01\x00"), "unexpected message, error decoding message"},
		{"a HelloRequest, sealed", sealed(handshake, "\x00\x00\x00\x00"), "unexpected message"},
		{"a ticket", sealed(handshake, "\x04\x00\x00\x01\x00"), "unexpected message, error decoding message"},
		{"a KeyUpdate of two bytes", sealed(handshake, "\x18\x00\x00\x02\x00\x00"), "error decoding message, unexpected message"},
		{"a KeyUpdate that asks for 2", sealed(handshake, "\x18\x00\x00\x01\x02"), "illegal parameter, error decoding message, unexpected message"},
		{"the old key behind a KeyUpdate", func(s *sealer) []byte { return append(s.seal(handshake, "\x18\x00\x00\x01\x00"), s.seal(data, "x")...) }, "bad record MAC"},
		{"an empty message", sealed(handshake, ""), "unexpected message"},
		{"an alert of one byte", sealed(alert, "\x01"), "error decoding message, unexpected message"},
		{"empty records", sealed(data, strings.Split(strings.Repeat(",", 40), ",")...), "unexpected message"},
		{"the same record twice", func(s *sealer) []byte { r := s.seal(alert, "\x01\x5a"); return append(r, r...) }, "bad record MAC"},
	}
	for bit := 5; bit < 8*(5+2+16); bit += 11 {
		all = append(all, one{fmt.Sprintf("bit %d flipped", bit), flipped(bit), "bad record MAC, unexpected message, record overflow, protocol version not supported"})
	}
	before := n.server.BrokenRecords()
	for _, c := range all {
		s := n.seals(t, trust, false)
		_ = s.below.Conn.SetDeadline(time.Now().Add(time.Minute))
		sent := c.sends(s)
		if strings.HasPrefix(c.does, "bit ") {
			sent = append(sent, make([]byte, 1<<15)...) // the length may have grown
		}
		_, _ = s.below.Conn.Write(sent)
		_, err := io.Copy(io.Discard, s.client)
		var alert *net.OpError
		if !errors.As(err, &alert) || alert.Op != "remote error" {
			if !reset(err) { // it may overtake the alert where the node has not read all
				t.Errorf("%s: %v", c.does, err)
			}
		} else if _, name, _ := strings.Cut(alert.Err.Error(), "tls: "); !strings.Contains(c.want, name) {
			t.Errorf("%s: %q, want one of %q", c.does, name, c.want)
		}
		_ = s.below.Conn.Close()
		n.gone(t)
	}
	if got := n.server.BrokenRecords() - before; got != uint64(len(all)) {
		t.Errorf("%d connections are counted, want %d", got, len(all))
	}
}

func reset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// TestTLSTrickle: who sends a byte at a time does not keep a connection longer than who sends nothing: within the ClientHello,
// within its answer, and in half a record behind the handshake, which is no heart-beat.
func TestTLSTrickle(t *testing.T) { inBoth(t, testTLSTrickle) }

func testTLSTrickle(t *testing.T, ours bool) {
	n, trust, stop := startSecure(t, ours, func(o *Options) { o.Shard.HandshakeTimeout, o.Session.Receives = 3*time.Second, 300 })
	defer stop()
	hello := clientHello(t, trust)
	trickle := func(c net.Conn) (outlived bool) {
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		gone := make(chan error, 1)
		go func() {
			_, err := io.Copy(io.Discard, c)
			gone <- err
		}()
		for {
			select {
			case err := <-gone:
				return errors.Is(err, os.ErrDeadlineExceeded)
			case <-time.After(20 * time.Millisecond):
				_, _ = c.Write([]byte{0})
			}
		}
	}
	within := n.dial(t)
	within.write(t, []byte(hello[:9])) // of which the rest would take longer
	answer := n.dial(t)
	answer.write(t, []byte(hello))
	answer.until(t, "\x16\x03\x03")
	answer.write(t, []byte("\x17\x03\x03\x40\x00"))
	below := n.dial(t)
	half := &testClient{conn: tls.Client(below.conn, trust)}
	half.upgrade(t)
	half.send(t, stomp.Connect, "accept-version", "1.2", "host", "h", "heart-beat", "300,0")
	half.until(t, "CONNECTED")
	below.write(t, []byte("\x17\x03\x03\x40\x00"))
	var all sync.WaitGroup
	for name, c := range map[string]net.Conn{"the ClientHello": within.conn, "the client's answer": answer.conn, "half a record": below.conn} {
		all.Go(func() {
			if trickle(c) {
				t.Errorf("%s keeps the connection", name)
			}
		})
	}
	all.Wait()
	n.failures(t, "timeout", 2)
	if got := n.stat(func(s *shard.Stats) uint64 { return s.HeartbeatLost.Load() }); got != 1 {
		t.Errorf("%d sessions are closed because they were silent, want 1", got)
	}
	n.gone(t)
}

// TestTLSSecrets: no log, metric or answer has what the keys of a connection are made of, whatever goes wrong.
func TestTLSSecrets(t *testing.T) { inBoth(t, testTLSSecrets) }

func testTLSSecrets(t *testing.T, ours bool) {
	var log lines
	n, trust, stop := startSecure(t, ours, func(o *Options) {
		o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		inner := o.TLS.Config.GetConfigForClient
		o.TLS.Config = &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			if hello.ServerName == "bang.test" {
				panic("bang")
			}
			return inner(hello)
		}}
	})
	defer stop()
	var secrets [][]byte
	for _, sends := range []string{"\x15\x03\x03\x00\x02\x01\x00", "\x17\x03\x03\x00\x20" + strings.Repeat("x", 32), "GET / HTTP/1.1\r\n\r\n"} {
		s := n.seals(t, trust, false)
		secrets = append(secrets, s.secret, s.expand(t, s.secret, "key", 16), s.iv)
		_, _ = s.below.Conn.Write([]byte(sends))
		_, _ = io.Copy(io.Discard, s.client)
	}
	var keys bytes.Buffer
	conf := trust.Clone()
	conf.KeyLogWriter = &keys
	c := n.dial(t).over(conf)
	c.connect(t)
	for line := range strings.Lines(keys.String()) {
		word := strings.Fields(line)
		secret, err := hex.DecodeString(word[len(word)-1])
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, secret)
	}
	bang := trust.Clone()
	bang.ServerName = "bang.test"
	if err := tls.Client(n.dial(t).conn, bang).Handshake(); err == nil {
		t.Error("nothing panicked")
	}
	testkit.Eventually(t, 20*time.Second, func() string { return "the panic is logged: " + log.all() }, func() bool { return log.count("bang") > 0 })
	registry := prometheus.NewRegistry()
	registry.MustRegister(n.Node)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ToLower(log.all() + fmt.Sprint(families))
	for _, s := range secrets {
		for _, form := range []string{hex.EncodeToString(s), hex.EncodeToString(s[:8]), string(s), base64.StdEncoding.EncodeToString(s), fmt.Sprint(s), fmt.Sprintf("%q", s), words(s)} {
			if strings.Contains(text, strings.ToLower(form)) {
				t.Errorf("%q is in\n%s", form, text)
			}
		}
	}
	_ = c.conn.Close()
}

// words is how a stack of goroutines has the first bytes of an array that is an argument.
func words(b []byte) string { return fmt.Sprintf("%#x", binary.LittleEndian.Uint64(b)) }
