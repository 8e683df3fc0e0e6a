package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"stentor/engine/testkit"
	"stentor/engine/testkit/certificate"
)

// TestPageSecure: the page comes over https and connects to wss://, in a browser that trusts the authority which signed the
// node's certificate, and nothing else that it would not trust otherwise. Another browser loads nothing.
func TestPageSecure(t *testing.T) {
	t.Parallel()
	dir := testkit.SocketDir(t) // what is left of the browser may still write there
	pair, authority, err := certificate.Issued()
	if err != nil {
		t.Fatal(err)
	}
	file, err := pair.Write(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, setup{
		Client: "127.0.0.1:0 tls",
		Set:    []string{"listen.api_tls=true", "tls.certificates=[{cert: " + file + ", key: " + file + ".key}]"},
		HTTP:   callerTrusting(authority),
		Config: shop + "endpoints: [{path: /ws, origins: [loopback]}]\n",
	})
	if !strings.HasPrefix(s.API, "https://") || !strings.HasPrefix(s.Clients(), "wss://") {
		t.Fatalf("the node serves %s and %s", s.API, s.Clients())
	}
	picture := filepath.Join(dir, "page.png")
	a := browseWith(t, []string{"HOME=" + trustingHome(t, dir, authority)}, "page.js", s.API+"/", picture)
	step := func(name string, arguments fields) {
		t.Helper()
		a.do(name, arguments)
		a.want(name)
	}
	step("early", fields{"key": "shop-key"})
	step("connect", nil)
	step("subscribe", fields{"destination": "/topic/shop/all"})
	step("push", fields{"body": "over TLS"})
	step("see", fields{"body": "over TLS"})
	pageTrouble(t, a)
	if got := s.Metric(t, `stentor_tls_handshakes_total{resumed="false",suite="TLS_AES_128_GCM_SHA256",version="TLS 1.3"}`); got < 1 {
		t.Errorf("%v handshakes are counted", got)
	}
	other := browseWith(t, []string{"HOME=" + filepath.Join(dir, "nobody")}, "page.js", s.API+"/", picture)
	other.do("distrust", nil)
	other.want("distrust")
	other.do("end", nil)
	other.want("trouble")
}

// callerTrusting is a client of HTTP that trusts an authority.
func callerTrusting(authority []byte) *http.Client {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	return &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
}

// trustingHome makes a home directory in which Chromium finds an authority that its user trusts.
func trustingHome(t *testing.T, dir string, authority []byte) (home string) {
	t.Helper()
	home = filepath.Join(dir, "home")
	database, file := filepath.Join(home, ".pki", "nssdb"), filepath.Join(dir, "authority.pem")
	if err := os.MkdirAll(database, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, authority, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"-N", "--empty-password"}, {"-A", "-n", "authority of the test", "-t", "C,,", "-i", file}} {
		if out, err := exec.Command("certutil", append([]string{"-d", "sql:" + database}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("certutil, which make e2e-deps installs: %v\n%s", err, out)
		}
	}
	return home
}
