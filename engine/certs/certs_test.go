package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// issue writes a self-signed certificate for name, and returns its files.
func issue(t *testing.T, dir, name string, life time.Duration) Pair {
	t.Helper()
	return issueFrom(t, dir, name, min(0, life)-time.Hour, life)
}

// issueFrom is issue for a certificate that is valid in that time from now.
func issueFrom(t *testing.T, dir, name string, from, until time.Duration) Pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<40))
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(until), IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p := Pair{Cert: filepath.Join(dir, name+".pem"), Key: filepath.Join(dir, name+".key")}
	write(t, p.Cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	write(t, p.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
	return p
}

func write(t *testing.T, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, o Options) (*Certs, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	o.Log, o.MinVersion = slog.New(slog.NewTextHandler(&log, nil)), max(o.MinVersion, tls.VersionTLS12)
	c, err := Load(o)
	if err != nil {
		t.Fatal(err)
	}
	return c, &log
}

// logged is a net.Conn that wants the secrets.
type logged struct {
	net.Conn
	log bytes.Buffer
}

func (l *logged) KeyLog() io.Writer { return &l.log }

// shake makes a handshake of client with server, over conn if it is not nil, and returns what the client knows of it.
func shake(t *testing.T, server, client *tls.Config, wrap func(net.Conn) net.Conn) (tls.ConnectionState, error) {
	t.Helper()
	ours, theirs := net.Pipe()
	defer func() { _ = theirs.Close() }()
	if wrap != nil {
		ours = wrap(ours)
	}
	done := make(chan error, 1)
	go func() {
		c := tls.Server(ours, server)
		err := c.Handshake()
		if err == nil {
			_, err = c.Write([]byte("x"))
		}
		_ = ours.Close()
		done <- err
	}()
	c := tls.Client(theirs, client)
	_, err := c.Read(make([]byte, 1)) // also takes the ticket
	_ = theirs.Close()
	if e := <-done; err == nil {
		err = e
	}
	return c.ConnectionState(), err
}

func client(name string) *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, ServerName: name, NextProtos: []string{"h2", "http/1.1"}}
}

func TestByName(t *testing.T) {
	dir := t.TempDir()
	c, _ := load(t, Options{Pairs: []Pair{issue(t, dir, "a.test", time.Hour), issue(t, dir, "b.test", time.Hour)}})
	for asked, want := range map[string]string{"a.test": "a.test", "b.test": "b.test", "other.test": "a.test"} {
		state, err := shake(t, c.Clients(), client(asked), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := state.PeerCertificates[0].DNSNames[0]; got != want || state.NegotiatedProtocol != "http/1.1" {
			t.Errorf("%s: got the certificate of %s, protocol %q", asked, got, state.NegotiatedProtocol)
		}
	}
}

func TestMinVersion(t *testing.T) {
	c, _ := load(t, Options{Pairs: []Pair{issue(t, t.TempDir(), "a.test", time.Hour)}, MinVersion: tls.VersionTLS13})
	old := client("a.test")
	old.MaxVersion = tls.VersionTLS12
	if _, err := shake(t, c.Clients(), old, nil); err == nil {
		t.Error("TLS 1.2 was accepted")
	}
}

// TestReload: what is broken changes nothing, what is whole is served, and tickets of before resume.
func TestReload(t *testing.T) {
	dir := t.TempDir()
	p := issue(t, dir, "a.test", time.Hour)
	c, log := load(t, Options{Pairs: []Pair{p}})
	who := client("a.test")
	who.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	if _, err := shake(t, c.Clients(), who, nil); err != nil {
		t.Fatal(err)
	}
	first := c.Leaves()[0]
	key, _ := os.ReadFile(p.Key)
	issue(t, dir, "a.test", 2*time.Hour)
	write(t, p.Key, key) // of the certificate before
	last := c.look("")
	if last == "" || !strings.Contains(last, p.Cert) || c.look(last) != last || strings.Count(log.String(), "nothing was changed") != 1 {
		t.Errorf("a key that does not fit: %q, logged %s", last, log)
	}
	if got := c.Leaves()[0]; !got.NotAfter.Equal(first.NotAfter) {
		t.Error("a broken pair changed what is served")
	}
	issue(t, dir, "a.test", 3*time.Hour)
	if c.look(last) != "" || c.Leaves()[0].NotAfter.Equal(first.NotAfter) {
		t.Error("a new pair is not served")
	}
	if changed, err := c.Reload(); changed || err != nil {
		t.Error("the same files count as a change", err)
	}
	if state, err := shake(t, c.Clients(), who, nil); err != nil || !state.DidResume {
		t.Errorf("resumed %t after a reload, %v", state.DidResume, err)
	}
}

// TestReloadOfDates: a certificate that clients would refuse for its time does not replace one that they accept, which goes on
// being served, and is said once. It replaces one that is no better, and is served from the start, with a warning.
func TestReloadOfDates(t *testing.T) {
	dir := t.TempDir()
	p := issue(t, dir, "a.test", time.Hour)
	c, log := load(t, Options{Pairs: []Pair{p}})
	first := c.Leaves()[0]
	issue(t, dir, "a.test", -time.Minute)
	last := c.look("")
	if !strings.Contains(last, p.Cert+": the certificate expired at ") || c.look(last) != last || strings.Count(log.String(), "nothing was changed") != 1 {
		t.Errorf("an expired one: %q, logged %s", last, log)
	}
	early := issueFrom(t, dir, "a.test", time.Hour, 2*time.Hour)
	if last = c.look(last); !strings.Contains(last, "is valid only from ") {
		t.Errorf("one of the future: %q", last)
	}
	if got := c.Leaves()[0]; !got.NotAfter.Equal(first.NotAfter) {
		t.Error("what clients refuse is served")
	}
	if _, err := shake(t, c.Clients(), client("a.test"), nil); err != nil {
		t.Error(err)
	}
	if err := c.improves(c.Leaves(), time.Now().Add(2*time.Hour)); err != nil {
		t.Errorf("in place of one that is no better: %v", err)
	}
	issue(t, dir, "a.test", 2*time.Hour)
	if c.look(last) != "" {
		t.Error("a good one is not served")
	}
	issueFrom(t, dir, "a.test", time.Hour, 2*time.Hour)
	c, log = load(t, Options{Pairs: []Pair{early}})
	c.remind(time.Now())
	if !strings.Contains(log.String(), "a certificate is valid only from ") {
		t.Errorf("at the start: %s", log)
	}
}

// TestKeyLog: a connection that wants its secrets gets them, others do not, and both resume.
func TestKeyLog(t *testing.T) {
	c, _ := load(t, Options{Pairs: []Pair{issue(t, t.TempDir(), "a.test", time.Hour)}})
	who := client("a.test")
	who.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for i := range 3 {
		var l *logged
		state, err := shake(t, c.Clients(), who, func(n net.Conn) net.Conn { l = &logged{Conn: n}; return l })
		if err != nil {
			t.Fatal(err)
		}
		if state.DidResume != (i > 0) || !strings.Contains(l.log.String(), "SERVER_TRAFFIC_SECRET_0") {
			t.Errorf("handshake %d: resumed %t, secrets %d bytes", i, state.DidResume, l.log.Len())
		}
	}
}

func TestClientCA(t *testing.T) {
	dir := t.TempDir()
	theirs := issue(t, dir, "client.test", time.Hour)
	c, _ := load(t, Options{Pairs: []Pair{issue(t, dir, "a.test", time.Hour)}, ClientCA: theirs.Cert})
	if _, err := shake(t, c.Clients(), client("a.test"), nil); err == nil {
		t.Error("a client without a certificate came in")
	}
	if _, err := shake(t, c.Open(), client("a.test"), nil); err != nil {
		t.Error("the API asks for a certificate", err)
	}
	cert, err := tls.LoadX509KeyPair(theirs.Cert, theirs.Key)
	if err != nil {
		t.Fatal(err)
	}
	who := client("a.test")
	who.Certificates = []tls.Certificate{cert}
	if _, err := shake(t, c.Clients(), who, nil); err != nil {
		t.Error(err)
	}
}

func TestTicketKeys(t *testing.T) {
	dir := t.TempDir()
	p, file := issue(t, dir, "a.test", time.Hour), filepath.Join(dir, "tickets")
	one, two, three := hex.EncodeToString(bytes.Repeat([]byte{1}, 32)), hex.EncodeToString(bytes.Repeat([]byte{2}, 32)), hex.EncodeToString(bytes.Repeat([]byte{3}, 32))
	write(t, file, []byte("# first\n"+one+"\n"))
	a, log := load(t, Options{Pairs: []Pair{p}, TicketKeys: file})
	b, _ := load(t, Options{Pairs: []Pair{p}, TicketKeys: file})
	who := client("a.test")
	who.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	resumes := func(c *Certs, want bool) {
		t.Helper()
		if state, err := shake(t, c.Clients(), who, nil); err != nil || state.DidResume != want {
			t.Errorf("resumed %t, %v", state.DidResume, err)
		}
	}
	resumes(a, false)
	resumes(b, true) // another node
	write(t, file, []byte(one+"\n"+two+"\n"))
	a.look("")
	write(t, file, []byte(two+"\n"+one+"\n"))
	a.look("")
	if strings.Contains(log.String(), "was not in the file before") {
		t.Error("the right order was warned of:", log)
	}
	resumes(a, true)
	write(t, file, []byte(three+"\n"))
	a.look("")
	if !strings.Contains(log.String(), "was not in the file before") || strings.Contains(log.String(), three) {
		t.Error("a key that nobody knows was not warned of, or the log has it:", log)
	}
	resumes(a, false)
	for _, wrong := range []string{"", "\n", "zz", one + one, one + "\n" + one, strings.Repeat(one+"\n", 9), one[:62]} {
		if _, err := ParseTicketKeys([]byte(wrong)); err == nil {
			t.Errorf("%q was accepted", wrong)
		} else if wrong != "" && strings.Contains(err.Error(), one) {
			t.Errorf("the error has the key: %v", err)
		}
	}
}

func TestRemind(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "tickets")
	write(t, file, []byte(strings.Repeat("ab", 32)))
	c, log := load(t, Options{Pairs: []Pair{issue(t, dir, "a.test", 20*24*time.Hour)}, TicketKeys: file})
	now := time.Now()
	c.remind(now)
	if log.Len() > 0 {
		t.Error("too early:", log)
	}
	for _, days := range []int{10, 10, 21} {
		c.remind(now.AddDate(0, 0, days))
	}
	text := log.String()
	if strings.Count(text, "a certificate expires at") != 1 || strings.Count(text, "a certificate expired at") != 1 || strings.Count(text, "ticket keys have to be changed") != 2 {
		t.Error(text)
	}
}

func TestLoadErrors(t *testing.T) {
	dir := t.TempDir()
	p := issue(t, dir, "a.test", time.Hour)
	other := issue(t, dir, "b.test", time.Hour)
	empty := filepath.Join(dir, "empty")
	write(t, empty, nil)
	cut := filepath.Join(dir, "cut") // a certificate, and half of the next one
	text, err := os.ReadFile(p.Cert)
	if err != nil {
		t.Fatal(err)
	}
	write(t, cut, append(text, text[:len(text)/2]...))
	bad := filepath.Join(dir, "bad")
	write(t, bad, append(text, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"...))
	for name, o := range map[string]Options{
		"no such file": {Pairs: []Pair{{Cert: p.Cert, Key: filepath.Join(dir, "none")}}},
		"empty":        {Pairs: []Pair{{Cert: empty, Key: p.Key}}},
		"another key":  {Pairs: []Pair{{Cert: p.Cert, Key: other.Key}}},
		"no authority": {Pairs: []Pair{p}, ClientCA: p.Key},
		"half a chain": {Pairs: []Pair{{Cert: cut, Key: p.Key}}},
		"half of them": {Pairs: []Pair{p}, ClientCA: cut},
		"a bad one":    {Pairs: []Pair{p}, ClientCA: bad},
		"no keys":      {Pairs: []Pair{p}, TicketKeys: p.Key},
	} {
		if _, err := Load(o); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
