package main

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	client "stentor/clients/go"
	"stentor/engine/admin"
	"stentor/engine/testkit/certificate"
	"stentor/kafka"
)

// tlsProxy terminates TLS in front of a node's API.
type tlsProxy struct {
	*httptest.Server
	to atomic.Pointer[url.URL]
}

func newTLSProxy(t *testing.T, pair certificate.Pair) *tlsProxy {
	t.Helper()
	cert, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	p := &tlsProxy{}
	p.Server = httptest.NewUnstartedServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(p.to.Load()) }})
	p.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	p.Config.ErrorLog = log.New(io.Discard, "", 0) // of clients that do not trust it
	p.StartTLS()
	t.Cleanup(p.Close)
	return p
}

// pairIn creates a certificate and writes it into a new directory.
func pairIn(t *testing.T) (pair certificate.Pair, file string) {
	t.Helper()
	pair, err := certificate.New()
	if err != nil {
		t.Fatal(err)
	}
	if file, err = pair.Write(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	return pair, file
}

// Nodes ask each other over https: of one that has a certificate, and of one behind a proxy that has it. cluster.ca says whom
// they trust, so a node with another authority's certificate is missing.
func TestNodesOverHTTPS(t *testing.T) {
	t.Parallel()
	broker, err := kafka.StartEmbedded(map[string]int{"stentor.nodes": 1, "stentor.push.demo": 1, "stentor.in.demo": 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	pair, file := pairIn(t)
	other, _ := pairIn(t)
	trusted := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(trusted, pair.Certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	node := func(id string, settings ...string) *server {
		s := startDev(t, append([]string{"node.id=" + id, "bus=kafka", "kafka.brokers=" + broker.Address(), "cluster.key=" + strings.Repeat("k", 32), "cluster.ca=" + trusted}, settings...)...)
		eventually(t, id+" is not ready", func() bool { return s.bus.Ready() == nil })
		return s
	}
	behind := func(id string, of certificate.Pair) *server {
		p := newTLSProxy(t, of)
		s := node(id, "advertise.api="+p.URL)
		to, err := url.Parse(s.apiURL())
		if err != nil {
			t.Fatal(err)
		}
		p.to.Store(to)
		return s
	}
	own := node("own", "listen.api_tls=true", `tls.certificates=[{cert: "`+file+`", key: "`+file+`.key"}]`)
	proxied, untrusted := behind("proxied", pair), behind("untrusted", other)

	web := &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: pair.Trusting()}}
	ask := func(s *server, method, path string) (page struct {
		Sessions []admin.Session `json:"sessions"`
		Missing  []admin.Missing `json:"missing"`
	}) {
		r, err := http.NewRequest(method, s.apiURL()+"v1/projects/demo/sessions"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer demo-key")
		got, err := web.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = got.Body.Close() }()
		_ = json.NewDecoder(got.Body).Decode(&page) // an answer that is none has no sessions
		return page
	}
	var conns []*client.Conn
	for _, s := range []*server{own, proxied, untrusted} {
		c, err := client.Dial(t.Context(), client.Options{URL: s.clients()[0], Project: "demo"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		conns = append(conns, c)
	}
	var of map[string]string // session ids by node
	for _, s := range []*server{own, proxied} {
		eventually(t, "the sessions of the nodes that are trusted, and nothing of the other", func() bool {
			page := ask(s, "GET", "")
			of = map[string]string{}
			for _, one := range page.Sessions {
				of[one.Node] = one.ID
			}
			return len(of) == 2 && of["own"] != "" && of["proxied"] != "" && len(page.Missing) == 1 && page.Missing[0].Node == "untrusted"
		})
	}
	ask(own, "DELETE", "/"+of["proxied"])
	if _, _, err := conns[1].Next(); err == nil {
		t.Error("a session on the other node was not closed")
	}
}
