package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stentor/cmd/stentor/config"
	"stentor/engine/testkit/certificate"
)

// TestTLS: a node with TLS for clients and the API, from its configuration on: the tools reach it if they trust it, and SIGHUP
// brings a new certificate to new connections while open ones go on.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	ca := renewCertificate(t, dir)
	file := filepath.Join(dir, "stentor.yaml")
	text := `node: {id: a}
listen: {client: "127.0.0.1:0 tls", api: "127.0.0.1:0", api_tls: true}
tls: {certificates: [{cert: push.pem, key: push.pem.key}]}
projects: {demo: {anonymous: true, api_keys: [demo-key-of-16-bytes]}}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	load := func() (*config.Config, error) { return config.Load(file, nil, nil) }
	cfg, err := load()
	if err != nil {
		t.Fatal(err)
	}
	s, err := start(cfg, false, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	hup, ended := make(chan os.Signal), make(chan error, 1)
	go func() { ended <- s.serve(ctx, load, hup) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	clients := s.clients()[0]
	api := "https://" + s.apiAddr.Addr().String()
	if !strings.HasPrefix(clients, "wss://") {
		t.Fatalf("clients connect to %s", clients)
	}
	subscribed := make(chan result, 1)
	go func() {
		subscribed <- execute(ctx, "", "sub", "--url", clients, "--ca", ca, "-p", "demo", "--count", "1", "/topic/demo/all")
	}()
	api1 := []string{"--api", api, "-p", "demo", "--key", "demo-key-of-16-bytes"}
	eventually(t, "the client is not subscribed", func() bool { // a push that comes between CONNECT and SUBSCRIBE is not its own
		got := cli(t, append([]string{"sessions", "--ca", ca, "--destination", "/topic/demo/all"}, api1...)...)
		if got.code != 0 {
			t.Fatalf("sessions: %+v", got)
		}
		return strings.Contains(got.out, "127.0.0.1")
	})
	wantsTLS(t, s.apiAddr.Addr().String())
	old := dialOnce(t, clients)
	renewCertificate(t, dir)
	hup <- nil
	eventually(t, "the new certificate is not served", func() bool { return dialOnce(t, clients) != old })
	push := func(more ...string) result {
		return cli(t, append(append([]string{"push", "--topic", "all"}, more...), append(api1, "hello")...)...)
	}
	if got := push(); got.code == 0 || !strings.Contains(got.err, "is not trusted") || !strings.Contains(got.err, "--insecure") {
		t.Errorf("an unknown authority: %+v", got)
	}
	if got := push("--insecure"); got.code != 0 {
		t.Fatalf("--insecure: %+v", got)
	}
	if got := <-subscribed; got.code != 0 || !strings.Contains(got.out, "hello") {
		t.Errorf("sub: %+v", got)
	}
	if got := push("--insecure", "--ca", ca); got.code != exitUsage || !strings.Contains(got.err, "both --ca and --insecure") {
		t.Errorf("both: %+v", got)
	}
}

// wantsTLS: plain HTTP to a port of TLS is told so.
func wantsTLS(t *testing.T, address string) {
	t.Helper()
	r, err := (&http.Client{Timeout: patience}).Get("http://" + address + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	if text, err := io.ReadAll(r.Body); r.StatusCode != http.StatusBadRequest || !strings.Contains(string(text), "https://") {
		t.Errorf("plain HTTP: %d %q, %v", r.StatusCode, text, err)
	}
}

// renewCertificate writes a new certificate and its key into dir.
func renewCertificate(t *testing.T, dir string) (file string) {
	t.Helper()
	pair, err := certificate.New()
	if err == nil {
		file, err = pair.Write(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// dialOnce returns the certificate that a server shows.
func dialOnce(t *testing.T, url string) string {
	t.Helper()
	host, _, _ := strings.Cut(strings.TrimPrefix(url, "wss://"), "/")
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", host, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return fmt.Sprintf("%x", c.ConnectionState().PeerCertificates[0].Signature)
}
