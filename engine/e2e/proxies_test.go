package e2e

import (
	"net/netip"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"stentor/engine/testkit"
	"stentor/engine/testkit/proc"
	"stentor/tuning/proxy"
)

// trusting is the setting for a server whose proxies are on this machine.
const trusting = "listen.trusted_proxies=127.0.0.1,127.0.0.31,127.0.0.32,127.0.0.33"

// clients is how many come through a proxy.
const clients = 300

// TestNginx: many clients through nginx, whose own addresses are known, and who stay when nginx is reloaded.
func TestNginx(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Set: []string{trusting}})
	f := testkit.Behind(t, proxy.Request{Kind: proxy.Nginx, Nodes: []string{s.Client}})
	a := gather(t, f.Address, clients)
	s.wantAddresses(t, a.addresses(false))
	a.hear(s, 10)
	f.Reload(proxy.Nginx)
	a.more(clients / 3)
	a.hear(s, 10)
	s.wantAddresses(t, a.addresses(false))
}

// TestNginxTLS: the same over wss, with a page of the proxy's own origin.
func TestNginxTLS(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Set: []string{trusting}})
	file, conf := newCertificate(t)
	f := testkit.Behind(t, proxy.Request{Kind: proxy.Nginx, Nodes: []string{s.Client}, Certificate: file, Key: file + ".key", ServerName: "stentor.test"})
	addresses := throughTLS(t, s, f, conf, clients/3)
	for i, one := range addresses {
		addresses[i] = netip.MustParseAddrPort(one).Addr().String()
	}
	s.wantAddresses(t, addresses)
}

// TestNginxUnix: nginx and server speak over a Unix socket, beside clients that come over TCP.
func TestNginxUnix(t *testing.T) {
	t.Parallel()
	path := filepath.Join(testkit.SocketDir(t), "ws.sock")
	s := start(t, setup{Client: "127.0.0.1:0,unix:" + path + " mode=0666"})
	f := testkit.Behind(t, proxy.Request{Kind: proxy.Nginx, Unix: path, Connections: 200_000 / 20})
	a := gather(t, f.Address, clients)
	s.wantAddresses(t, a.addresses(false))
	direct := gather(t, s.listening("ws://")[0], clients/3)
	for range 10 {
		want := direct.delivered.Load() + int64(len(direct.members))
		a.hear(s, 1)
		eventually(t, "those over TCP hear it too", func() bool { return direct.delivered.Load() == want })
	}
	// A drain reaches those behind the socket as well.
	s.term()
	s.WaitEnd()
	eventually(t, "all are closed", func() bool { return a.reading.Load()+direct.reading.Load() == 0 })
}

// spread are the proxy's connections to some ports of servers: how many by server port, and by the proxy's address.
func spread(t *testing.T, addresses ...string) (byPort map[uint16]int, bySource map[string]int) {
	t.Helper()
	byPort, bySource = map[uint16]int{}, map[string]int{}
	for _, one := range addresses {
		port := netip.MustParseAddrPort(one).Port()
		sockets, err := proc.Sockets(port)
		if err != nil {
			t.Fatal(err)
		}
		for _, socket := range sockets {
			byPort[port]++
			bySource[socket.Remote.Addr().String()]++
		}
	}
	return byPort, bySource
}

// TestNginxPorts: nginx spreads its clients over several ports of one server.
func TestNginxPorts(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Client: "127.0.0.1:0,127.0.0.1:0,127.0.0.1:0", Set: []string{trusting}})
	ports := s.listening("ws://")
	f := testkit.Behind(t, proxy.Request{Kind: proxy.Nginx, Nodes: ports, Connections: 1000})
	a := gather(t, f.Address, clients)
	a.hear(s, 10)
	if byPort, _ := spread(t, ports...); len(byPort) != 3 {
		t.Errorf("the connections are at the ports %v", byPort)
	}
	s.wantAddresses(t, a.addresses(false))
}

// TestNginxSources: nginx connects from several addresses.
func TestNginxSources(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Set: []string{trusting}})
	own := []string{"127.0.0.31", "127.0.0.32", "127.0.0.33"}
	f := testkit.Behind(t, proxy.Request{Kind: proxy.Nginx, Nodes: []string{s.Client}, Sources: own})
	a := gather(t, f.Address, clients)
	a.hear(s, 10)
	_, bySource := spread(t, s.Client)
	for _, one := range own {
		if bySource[one] < clients/len(own)/2 {
			t.Errorf("the connections come from %v, want about as many from each of %v", bySource, own)
		}
	}
	s.wantAddresses(t, a.addresses(false))
}

// TestHAProxy: many clients through HAProxy, which tells their addresses and ports with the PROXY protocol, asks for the
// node's readiness, and is reloaded.
func TestHAProxy(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Client: "127.0.0.1:0 proxy_protocol", Set: []string{trusting}})
	api := netip.MustParseAddrPort(strings.TrimPrefix(s.API, "http://"))
	f := testkit.Behind(t, proxy.Request{Kind: proxy.HAProxy, Nodes: []string{s.Client}, HealthPort: int(api.Port())})
	a := gather(t, f.Address, clients)
	s.wantAddresses(t, a.addresses(true))
	a.hear(s, 10)
	f.Reload(proxy.HAProxy)
	a.more(clients / 3)
	a.hear(s, 10)
	s.wantAddresses(t, a.addresses(true))
	for _, reason := range []string{"missing", "invalid", "untrusted"} {
		s.wantMetric(t, `stentor_proxy_protocol_refused_total{reason="`+reason+`"}`, 0)
	}
}

// TestHAProxyTLS: the same over wss and a Unix socket. HAProxy's checks go to the clients' listener, with LOCAL.
func TestHAProxyTLS(t *testing.T) {
	t.Parallel()
	path := filepath.Join(testkit.SocketDir(t), "ws.sock")
	s := start(t, setup{Client: "unix:" + path + " proxy_protocol"})
	file, conf := newCertificate(t)
	f := testkit.Behind(t, proxy.Request{Kind: proxy.HAProxy, Unix: path, Certificate: file, Key: file + ".key", ServerName: "stentor.test"})
	s.wantAddresses(t, throughTLS(t, s, f, conf, clients/3))
	accepted := s.Metric(t, "stentor_accepted_total")
	eventually(t, "HAProxy's checks are accepted", func() bool { return s.Metric(t, "stentor_accepted_total") > accepted })
	for _, reason := range []string{"missing", "invalid", "untrusted"} {
		s.wantMetric(t, `stentor_proxy_protocol_refused_total{reason="`+reason+`"}`, 0)
	}
}

// TestHAProxySources: HAProxy connects from several addresses to several ports.
func TestHAProxySources(t *testing.T) {
	t.Parallel()
	s := start(t, setup{Client: "127.0.0.1:0 proxy_protocol,127.0.0.1:0 proxy_protocol", Set: []string{trusting}})
	ports := s.listening("ws://")
	f := testkit.Behind(t, proxy.Request{Kind: proxy.HAProxy, Nodes: ports, Sources: []string{"127.0.0.31", "127.0.0.32"}, Connections: 2000})
	a := gather(t, f.Address, clients)
	a.hear(s, 10)
	byPort, bySource := spread(t, ports...)
	if len(byPort) != 2 || bySource["127.0.0.31"] < clients/4 || bySource["127.0.0.32"] < clients/4 {
		t.Errorf("the connections are from %v at %v", bySource, byPort)
	}
	s.wantAddresses(t, a.addresses(true))
}

// TestHAProxyDrain: of two nodes one leaves; its clients are told, come back through the proxy, and find the other.
func TestHAProxyDrain(t *testing.T) {
	t.Parallel()
	client := "127.0.0.1:0 proxy_protocol"
	leaving, staying := start(t, setup{Client: client, Set: []string{trusting}}), start(t, setup{Client: client, Set: []string{trusting}})
	f := testkit.Behind(t, proxy.Request{Kind: proxy.HAProxy, Nodes: []string{leaving.Client, staying.Client}})
	a := gather(t, f.Address, clients)
	leaving.Signal(syscall.SIGTERM)
	leaving.WaitEnd()
	eventually(t, "the clients of one node are closed, and no others", func() bool {
		n := a.reading.Load()
		return n < clients && float64(n) == staying.Metric(t, "stentor_sessions")
	})
	late := gather(t, f.Address, clients)
	late.hear(staying, 3)
}

// TestUnixRestart: a node that was killed leaves its socket; the next one takes it over, and not before.
func TestUnixRestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(testkit.SocketDir(t), "ws.sock")
	first := start(t, setup{Client: "unix:" + path})
	out, err := first.Command("listen.api=127.0.0.1:0").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "address already in use") {
		t.Errorf("a second node on the same socket: %v\n%s", err, out)
	}
	f := testkit.Behind(t, proxy.Request{Kind: proxy.Nginx, Unix: path})
	a := gather(t, f.Address, 20)
	a.hear(first, 3)
	first.Kill()
	eventually(t, "nginx closes the clients", func() bool { return a.reading.Load() == 0 })
	second := start(t, setup{Client: "unix:" + path})
	gather(t, f.Address, 20).hear(second, 3)
}

// TestFullNode: a node that takes no more, as one that leaves, has the fewest connections and answers 503. Its share goes
// to the other node, and no client hears of it.
func TestFullNode(t *testing.T) {
	t.Parallel()
	for _, kind := range []proxy.Kind{proxy.Nginx, proxy.HAProxy} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			client := "127.0.0.1:0"
			if kind == proxy.HAProxy {
				client += " proxy_protocol"
			}
			full := start(t, setup{Client: client, Set: []string{trusting, "limits.connections=20"}})
			other := start(t, setup{Client: client, Set: []string{trusting}})
			f := testkit.Behind(t, proxy.Request{Kind: kind, Nodes: []string{full.Client, other.Client}})
			gather(t, f.Address, clients)
			// It may have fewer than it could: those whom it is just refusing count.
			if n := full.Metric(t, "stentor_sessions"); n > 21 {
				t.Errorf("the full node has %v sessions", n)
			}
			if full.Metric(t, met("connections")) == 0 {
				t.Error("the full node refused nobody, so that nothing was tried")
			}
		})
	}
}
