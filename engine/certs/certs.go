package certs

import (
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Options of Certs. The names of files are complete paths.
type Options struct {
	Pairs []Pair
	// MinVersion is tls.VersionTLS12 or tls.VersionTLS13.
	MinVersion uint16
	// ClientCA is a PEM file of the authorities, one of which must have signed a client's certificate. Empty: clients need
	// none.
	ClientCA string
	// TicketKeys is a file with keys of session tickets, see ParseTicketKeys. Empty: crypto/tls makes its own, for this process,
	// a new one each day.
	TicketKeys string
	Log        *slog.Logger
}

// KeyLogger is a net.Conn that wants the secrets of its own handshake, in the format of SSLKEYLOGFILE.
type KeyLogger interface {
	KeyLog() io.Writer // nil: it does not want them
}

// Certs is what a server shows its clients. Any goroutine may use it.
type Certs struct {
	opts Options
	// The outer configurations are permanent: they have the ticket keys, which must survive a reload. What a reload replaces is
	// below.
	gated, open *tls.Config

	mu     sync.Mutex  // guards what follows, and the order of reloads
	seen   [32]byte    // sum of the files that are served
	keys   []TicketKey // of tickets, from the file
	warned map[string]time.Time

	now atomic.Pointer[state]
}

// state is what the files said.
type state struct {
	gated, open *tls.Config
	leaves      []Leaf
}

// Load reads the files. Its error names the file and what is wrong with it.
func Load(o Options) (*Certs, error) {
	c := &Certs{opts: o, warned: map[string]time.Time{}}
	c.gated = &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		return logging(c.now.Load().gated, hello), nil
	}}
	c.open = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.now.Load().open, nil }}
	if _, err := c.load(); err != nil {
		return nil, err
	}
	return c, nil
}

// logging is base with the key log of the connection that wants one. A copy uses the ticket keys of the outer configuration, as
// it has none of its own.
func logging(base *tls.Config, hello *tls.ClientHelloInfo) *tls.Config {
	k, ok := hello.Conn.(KeyLogger)
	if !ok {
		return base
	}
	w := k.KeyLog()
	if w == nil {
		return base
	}
	own := base.Clone()
	own.KeyLogWriter = w
	return own
}

// Clients is the configuration for the listeners of clients: with Options.ClientCA they need a certificate.
func (c *Certs) Clients() *tls.Config { return c.gated }

// Open is the configuration for other listeners, which ask nobody for a certificate.
func (c *Certs) Open() *tls.Config { return c.open }

// Leaves are the certificates that are served now.
func (c *Certs) Leaves() []Leaf { return c.now.Load().leaves }

// Reload reads the files again, and reports whether they had changed. After an error nothing has changed.
func (c *Certs) Reload() (changed bool, err error) { return c.load() }

// load takes over what the files say, all or nothing.
func (c *Certs) load() (changed bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	files, sum, err := c.read()
	if err != nil {
		return false, err
	}
	if sum == c.seen && c.now.Load() != nil {
		return false, nil
	}
	next, err := c.build(files)
	if err != nil {
		return false, err
	}
	if err := c.improves(next.leaves, time.Now()); err != nil {
		return false, err
	}
	keys, err := c.tickets(files)
	if err != nil {
		return false, err
	}
	c.seen = sum
	c.adopt(keys)
	c.now.Store(next)
	return true, nil
}

// improves refuses certificates that clients would not accept now, in place of such as they do: the files are yesterday's, or
// the clock is late. At the start, and in place of what is no better, any is served: other listeners and names go on.
func (c *Certs) improves(next []Leaf, now time.Time) error {
	served := c.now.Load()
	if served == nil {
		return nil
	}
	for i, l := range next {
		if text := l.Invalid(now); text != "" && served.leaves[i].Invalid(now) == "" {
			return fmt.Errorf("%s: the certificate %s, allowed: one that is valid, as that which is served", l.File, text)
		}
	}
	return nil
}

// build makes the configurations of what was read.
func (c *Certs) build(files contents) (*state, error) {
	s := &state{}
	base := &tls.Config{
		MinVersion: c.opts.MinVersion, NextProtos: []string{"http/1.1"},
		// A write of the node is one record: small ones at the beginning would be as many system calls.
		DynamicRecordSizingDisabled: true,
	}
	for _, p := range c.opts.Pairs {
		cert, err := p.parse(files)
		if err != nil {
			return nil, err
		}
		base.Certificates = append(base.Certificates, cert)
		s.leaves = append(s.leaves, leafOf(p, &cert))
	}
	s.open, s.gated = base, base
	if c.opts.ClientCA != "" {
		pool, err := authorities(files[c.opts.ClientCA])
		if err != nil {
			return nil, fmt.Errorf("%s: %w, allowed: a PEM file with the authorities of the clients' certificates", c.opts.ClientCA, err)
		}
		s.gated = base.Clone()
		s.gated.ClientAuth, s.gated.ClientCAs = tls.RequireAndVerifyClientCert, pool
	}
	return s, nil
}

// contents are the files, by name.
type contents map[string][]byte

// maxFile is more than any of these files has.
const maxFile = 1 << 20

func (f contents) read(name string) error {
	if name == "" || f[name] != nil {
		return nil
	}
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	switch {
	case err != nil:
		return err
	case len(text) == 0:
		return fmt.Errorf("%s: the file is empty", name)
	case len(text) > maxFile:
		return fmt.Errorf("%s: found more than %d bytes, allowed: a PEM file", name, maxFile)
	}
	f[name] = text
	return nil
}
