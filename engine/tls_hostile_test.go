package engine

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// sealer is a client of TLS 1.3 that seals records of its own, of any type. crypto/tls makes its handshake.
type sealer struct {
	*testClient
	below  *heldBack
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
	s.key(t, secret)
	return s
}

// key derives what records are sealed with from a secret (RFC 8446 section 7.3).
func (s *sealer) key(t *testing.T, secret []byte) {
	t.Helper()
	expand := func(label string, size int) []byte {
		info := append([]byte{0, byte(size), byte(len("tls13 " + label))}, "tls13 "+label+"\x00"...)
		out, err := hkdf.Expand(sha256.New, secret, string(info), size)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	block, err := aes.NewCipher(expand("key", 16))
	if err != nil {
		t.Fatal(err)
	}
	if s.aead, err = cipher.NewGCM(block); err != nil {
		t.Fatal(err)
	}
	s.iv, s.number = expand("iv", 12), 0
}

// seal is a record of that type.
func (s *sealer) seal(kind byte, content string) []byte {
	nonce := bytes.Clone(s.iv)
	binary.BigEndian.PutUint64(nonce[4:], binary.BigEndian.Uint64(nonce[4:])^s.number)
	s.number++
	size := len(content) + 1 + s.aead.Overhead()
	head := []byte{23, 3, 3, byte(size >> 8), byte(size)}
	return s.aead.Seal(head, nonce, append([]byte(content), kind), head)
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
