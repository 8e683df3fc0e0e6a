package wss

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"stentor/bench/gen/client"
	"stentor/bench/machine/server"
	"stentor/bench/suite"
	"stentor/bench/suite/report"
	"stentor/engine/testkit/certificate"
	"stentor/engine/testkit/ports"
)

type bench struct {
	Options
	*suite.Run
	plan       plan
	ecdsa, rsa identity
}

// identity is a certificate, and what its clients trust.
type identity struct {
	file  string
	trust *tls.Config
}

// Run takes the measurements. The report has those that were completed even when there is an error.
func Run(ctx context.Context, o Options) (*report.Report, error) { return run(ctx, o, o.plan()) }

func run(ctx context.Context, o Options, p plan) (*report.Report, error) {
	if err := o.check(); err != nil {
		return &report.Report{}, err
	}
	r, err := suite.Begin(ctx, o.Options)
	if err != nil {
		return &report.Report{}, err
	}
	defer r.Close()
	b := &bench{Options: o, Run: r, plan: p}
	if b.ecdsa, err = b.identity("ecdsa", certificate.New); err != nil {
		return r.Report, err
	}
	if b.rsa, err = b.identity("rsa", certificate.NewRSA); err != nil {
		return r.Report, err
	}
	r.Report.Load = fmt.Sprintf("%d connections, payloads of %d bytes; ECDSA P-256 and X25519 unless something else is said", o.Connections, payloadBytes)
	return r.Report, r.Measure(ctx, []suite.Measurement{
		{Name: "delivery", Run: b.delivery}, {Name: "connect", Run: b.connect}, {Name: "resumed", Run: b.resumed},
		{Name: "strangers", Run: b.strangers},
	})
}

func (b *bench) identity(name string, make func() (certificate.Pair, error)) (i identity, err error) {
	pair, err := make()
	if err != nil {
		return i, err
	}
	dir := filepath.Join(b.Dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return i, err
	}
	i.file, err = pair.Write(dir)
	i.trust = pair.Trusting()
	i.trust.CurvePreferences = []tls.CurveID{tls.X25519}
	return i, err
}

// way is how clients come to a node.
type way struct {
	trust   *tls.Config // nil: without TLS
	file    string      // of the certificate
	records string      // tls.records, "" for the default
	ciphers string      // tls.cipher_bytes, "" for the default
}

// overTLS is with a certificate.
func overTLS(i identity) way { return way{trust: i.trust, file: i.file} }

// hybrid is w with the key exchange of browsers.
func (w way) hybrid() way {
	w.trust = w.trust.Clone()
	w.trust.CurvePreferences = []tls.CurveID{tls.X25519MLKEM768}
	return w
}

// resuming is w with clients that have a ticket.
func (w way) resuming() way {
	w.trust = w.trust.Clone()
	w.trust.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	return w
}

// rig is a node that also speaks TLS.
type rig struct {
	*suite.Rig
	secure netip.AddrPort // where it does
}

// withRig runs f with a fresh node and no client yet. It is an error when a message was not in order, or a connection lost.
func (b *bench) withRig(ctx context.Context, w way, f func(context.Context, *rig) error) error {
	at, err := ports.Free(netip.Addr{})
	if err != nil {
		return err
	}
	var c server.Config
	if w.file != "" {
		c.Listen, c.Certificate, c.Records, c.CipherBytes = []string{at.String() + " tls"}, w.file, w.records, w.ciphers
	}
	o := client.Options{
		Subscriptions: []string{server.Queue, server.Topic}, Heartbeat: suite.RestfulHeartbeat, Headers: server.Anonymous,
		Sources: client.Loopback(b.Connections),
	}
	if w.trust != nil {
		o.Addresses, o.TLS, o.Host = []netip.AddrPort{at}, w.trust, certificate.Name
	}
	return b.WithRig(ctx, b.Stentor, c, o, server.Publisher{Size: payloadBytes}, func(ctx context.Context, r *suite.Rig) error {
		return f(ctx, &rig{r, at})
	})
}

// open opens n connections more, and returns when the node has dealt with their last SUBSCRIBE.
func (r *rig) open(ctx context.Context, n int) error {
	if err := r.Open(ctx, client.Reading, n); err != nil {
		return err
	}
	return r.Subscribed(ctx, steadyTimeout)
}
