package e2e

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"stentor/engine/testkit"
	"stentor/engine/testkit/certificate"
)

// wantAddresses checks that the sessions are listed with their clients' own addresses.
func (s *server) wantAddresses(t testing.TB, want []string) {
	t.Helper()
	var got []string
	for _, one := range s.sessions(t, "shop", "shop-key", "?limit=1000") {
		got = append(got, one.Address)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the sessions are from %.300v (%d), want %.300v (%d)", got, len(got), want, len(want))
	}
}

// listening are the addresses that a server with several of them serves, by what they begin with.
func (s *server) listening(scheme string) (all []string) {
	for one := range strings.SplitSeq(s.Clients(), ",") {
		if rest, ok := strings.CutPrefix(one, scheme); ok {
			all = append(all, strings.TrimSuffix(rest, "/ws"))
		}
	}
	return all
}

// newCertificate makes a certificate for loopback and a key, as HAProxy wants to find them.
func newCertificate(t testing.TB) (file string, trusting *tls.Config) {
	t.Helper()
	pair, err := certificate.New()
	if err != nil {
		t.Fatal(err)
	}
	if file, err = pair.Write(testkit.SocketDir(t)); err != nil {
		t.Fatal(err)
	}
	return file, pair.Trusting()
}

// joinTLS is a client over wss with CONNECTED, which comes as a page of the proxy's own origin would.
func joinTLS(t testing.TB, f *testkit.Front, conf *tls.Config, origin string) (*peer, error) {
	t.Helper()
	p, err := open(t, from(sources[0].AsSlice()), f.Address)
	if err != nil {
		return nil, err
	}
	_ = p.conn.SetDeadline(time.Now().Add(patience))
	p.conn = tls.Client(p.conn, conf)
	if err := p.upgrade("/ws", "Origin: "+origin); err != nil {
		return nil, err
	}
	p.connect()
	return p, nil
}

// throughTLS has n clients join over wss and each hear some pushes.
func throughTLS(t *testing.T, s *server, f *testkit.Front, conf *tls.Config, n int) []string {
	t.Helper()
	var peers []*peer
	var addresses []string
	for range n {
		p, err := joinTLS(t, f, conf, "https://stentor.test")
		if err != nil {
			t.Fatal(err)
		}
		p.subscribe("a", "/topic/shop/all")
		peers = append(peers, p)
		addresses = append(addresses, p.conn.LocalAddr().String())
	}
	const pushes = 5
	for i := range pushes {
		s.push(t, fields{"topic": "all", "payload": fmt.Sprint("push ", i)})
	}
	for _, p := range peers {
		for i := range pushes {
			p.wantMessage(fmt.Sprint("push ", i))
		}
	}
	if _, err := joinTLS(t, f, conf, "http://stentor.test"); err == nil {
		t.Error("a page that came without TLS may connect, so that X-Forwarded-Proto does not count")
	}
	slices.Sort(addresses)
	return addresses
}
