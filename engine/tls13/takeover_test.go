package tls13

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"
	_ "unsafe" // for linkname
)

// What a take-over needs around it: a server that makes the handshake with crypto/tls over any net.Conn, and goes on with
// Records.

// preferred are the suites that crypto/tls offers and accepts. There is no setting for them, so the tests set crypto/tls's
// own variables.
//
//go:linkname preferred crypto/tls.defaultCipherSuitesTLS13
var preferred []uint16

//go:linkname preferredNoAES crypto/tls.defaultCipherSuitesTLS13NoAES
var preferredNoAES []uint16

// withSuite makes handshakes agree on a suite until the test ends. Tests that use it do not run in parallel.
func withSuite(t testing.TB, id uint16) {
	before, beforeNoAES := preferred, preferredNoAES
	preferred, preferredNoAES = []uint16{id}, []uint16{id}
	t.Cleanup(func() { preferred, preferredNoAES = before, beforeNoAES })
}

var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(240 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

// shim is the net.Conn of the handshake. It gives crypto/tls no more than the record that it is in, keeps the last flight,
// and writes nothing once it is dead.
type shim struct {
	net.Conn
	secrets *Secrets
	record  []byte // of the peer, as far as it is not read
	flight  []byte
	dead    bool
}

func (s *shim) Read(p []byte) (int, error) {
	if len(s.record) == 0 {
		header := make([]byte, headerSize)
		if _, err := io.ReadFull(s.Conn, header); err != nil {
			return 0, err
		}
		s.record = append(header, make([]byte, int(header[3])<<8|int(header[4]))...)
		if _, err := io.ReadFull(s.Conn, s.record[headerSize:]); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.record)
	s.record = s.record[n:]
	return n, nil
}

func (s *shim) Write(p []byte) (int, error) {
	if s.dead {
		return 0, net.ErrClosed
	}
	if s.secrets.Ready() {
		s.flight = append(s.flight, p...)
	}
	return s.Conn.Write(p)
}

// takeOver makes a server's handshake on c, and returns the records that follow it.
func takeOver(c net.Conn, conf *tls.Config) (*Records, tls.ConnectionState, error) {
	var secrets Secrets
	conf = conf.Clone()
	conf.KeyLogWriter = &secrets
	s := &shim{Conn: c, secrets: &secrets}
	server := tls.Server(s, conf)
	if err := server.HandshakeContext(context.Background()); err != nil {
		return nil, tls.ConnectionState{}, err
	}
	s.dead = true
	if len(s.record) > 0 {
		return nil, tls.ConnectionState{}, errors.New("crypto/tls left a part of a record")
	}
	state := server.ConnectionState()
	r := new(Records)
	return r, state, secrets.TakeOver(r, state.CipherSuite, s.flight)
}

// taken is a server's connection after the take-over, with blocking reads and writes, as a net.Conn has them.
type taken struct {
	net.Conn
	layer *Layer
	*Records
	arrived, plain []byte // plain is what is opened of it
	err            error
}

func (c *taken) Read(p []byte) (int, error) {
	for len(c.plain) == 0 {
		if c.err != nil {
			return 0, c.err
		}
		plain, n, err := c.layer.Open(c.Records, c.arrived)
		c.plain, c.arrived, c.err = bytes.Clone(plain), c.arrived[n:], err
		if n > 0 || err != nil {
			if a, ok := AlertOf(err); ok {
				c.alert(a)
			}
			continue
		}
		room := make([]byte, 4096)
		if n, err = c.Conn.Read(room); n == 0 && err != nil {
			c.err = err
			continue
		}
		c.arrived = append(c.arrived, room[:n]...)
	}
	n := copy(p, c.plain)
	c.plain = c.plain[n:]
	return n, nil
}

func (c *taken) Write(p []byte) (int, error) {
	out, err := c.layer.Seal(nil, c.Records, p)
	if err != nil {
		return 0, err
	}
	if _, err := c.Conn.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (c *taken) alert(a Alert) {
	if out, err := c.layer.Alert(nil, c.Records, a); err == nil {
		_, _ = c.Conn.Write(out)
	}
}

// pipe is one direction of a connection in memory. Writes do not wait.
type pipe struct {
	mu     sync.Mutex
	cond   sync.Cond
	b      []byte
	closed bool
}

func (p *pipe) write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, net.ErrClosed
	}
	p.b = append(p.b, b...)
	p.cond.Broadcast()
	return len(b), nil
}

func (p *pipe) read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.b) == 0 {
		if p.closed {
			return 0, io.EOF
		}
		p.cond.Wait()
	}
	n := copy(b, p.b)
	p.b = p.b[n:]
	return n, nil
}

func (p *pipe) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.cond.Broadcast()
}

// end is one end of a connection in memory.
type end struct {
	net.Conn // deadlines and addresses are not used
	in, out  *pipe
}

func (e end) Read(b []byte) (int, error)       { return e.in.read(b) }
func (e end) Write(b []byte) (int, error)      { return e.out.write(b) }
func (e end) Close() error                     { e.in.close(); e.out.close(); return nil }
func (e end) SetDeadline(time.Time) error      { return nil }
func (e end) SetReadDeadline(time.Time) error  { return nil }
func (e end) SetWriteDeadline(time.Time) error { return nil }

func inMemory() (a, b end) {
	up, down := &pipe{}, &pipe{}
	up.cond.L, down.cond.L = &up.mu, &down.mu
	return end{in: up, out: down}, end{in: down, out: up}
}

// established is a connection of a tls.Client with a server that was taken over.
type established struct {
	server *taken
	client *tls.Conn
	wire   end // the client's end
	state  tls.ConnectionState
}

func establish(t testing.TB, serverConf, clientConf *tls.Config) *established {
	t.Helper()
	a, b := inMemory()
	e := &established{wire: b, client: tls.Client(b, clientConf)}
	done := make(chan error, 1)
	go func() { done <- e.client.HandshakeContext(context.Background()) }()
	r, state, err := takeOver(a, serverConf)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	e.server, e.state = &taken{Conn: a, layer: NewLayer(CipherBytes), Records: r}, state
	t.Cleanup(func() { _ = a.Close() })
	return e
}

func serverConf() *tls.Config { return &tls.Config{Certificates: []tls.Certificate{certificate()}} }

func clientConf() *tls.Config {
	pool := x509.NewCertPool()
	c, err := x509.ParseCertificate(certificate().Certificate[0])
	if err != nil {
		panic(err)
	}
	pool.AddCert(c)
	return &tls.Config{RootCAs: pool, ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(4)}
}
