package proxy

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// free is an address that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	lastFree.CompareAndSwap(0, int32(20000+os.Getpid()%10000))
	for range 1000 {
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", lastFree.Add(1))); err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no free port")
	return ""
}

// lastFree is the last result of free: outside of the range from which the kernel takes the ports of clients.
var lastFree atomic.Int32

// pair is a certificate with its key, made by openssl: both proxies look into them.
func pair(t *testing.T) (certificate, key string) {
	t.Helper()
	certificate = filepath.Join(t.TempDir(), "push.pem")
	key = certificate + ".key"
	out, err := exec.Command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
		"-keyout", key, "-out", certificate, "-days", "1", "-subj", "/CN=push.example.com").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return certificate, key
}

// TestAccepted: the programs themselves find nothing wrong with what is written for them.
func TestAccepted(t *testing.T) {
	certificate, key := pair(t)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range []Request{
		{Connections: 1, Nodes: []string{"10.0.0.5:8080"}},
		{Connections: 50_000, Nodes: []string{"10.0.0.5:8080", "10.0.0.6:8080"}, ServerName: "push.example.com", Path: "/push/ws"},
		{Connections: 50_000, Nodes: []string{"[2001:db8::5]:8080"}, Sources: []string{"2001:db8::11", "2001:db8::12"}, HealthPort: 8081},
		{Connections: 150_000, Nodes: []string{"10.0.0.5:8080", "10.0.0.5:8082"}, Sources: []string{"10.0.0.11", "10.0.0.12", "10.0.0.13"}, Certificate: certificate, Key: key},
		{Connections: 1_000_000, Unix: "/run/stentor/ws.sock", Certificate: certificate, Key: key, HealthPort: 8081},
		{Connections: 20_000, Nodes: []string{"10.0.0.5:8443"}, HealthPort: 8081, Passthrough: true},
		{Connections: 25_000, Nodes: []string{"10.0.0.5:8080", "10.0.0.6:8080"}, Path: "/msg-center/web.socket", SockJS: true, ServerName: "push.example.com"},
		{Connections: 50_000, Nodes: []string{"10.0.0.5:8080"}, Sources: []string{"10.0.0.11", "10.0.0.12"}, SockJS: true, HealthPort: 8081},
		{Connections: 1_000, Unix: "/run/stentor/ws.sock", SockJS: true, Path: "/"},
	} {
		for _, kind := range []Kind{Nginx, HAProxy} {
			dir := t.TempDir()
			r.Kind, r.RunDir, r.User, r.Listen = kind, dir, me.Username, free(t)
			var text bytes.Buffer
			if err := Write(&text, r); err != nil {
				t.Errorf("%d: %v", i, err)
				continue
			}
			file := filepath.Join(dir, "configuration")
			if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			check := []string{"haproxy", "-c", "-f", file}
			if kind == Nginx {
				modules(t, dir)
				check = []string{"nginx", "-t", "-p", dir, "-e", filepath.Join(dir, "errors"), "-c", file}
			}
			out, err := exec.Command(check[0], check[1:]...).CombinedOutput()
			if said := string(out); err != nil || strings.Contains(said, "[WARNING]") || strings.Contains(said, "[warn]") {
				t.Errorf("%d: %v: %v (make tuning-deps installs it)\n%s\n%s", i, check, err, out, &text)
			}
		}
	}
}

// modules lets nginx find the distribution's modules below a prefix of the test's.
func modules(t *testing.T, prefix string) {
	t.Helper()
	if err := os.Symlink("/usr/lib/nginx/modules", filepath.Join(prefix, "modules")); err != nil {
		t.Fatal(err)
	}
}

// write is the configuration for r, without the comments.
func write(t *testing.T, r Request) string {
	t.Helper()
	var text bytes.Buffer
	if err := Write(&text, r); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(text.String()) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// TestFits: what has to hold for so many connections stands in the configuration.
func TestFits(t *testing.T) {
	for _, c := range []struct {
		r    Request
		want []string
	}{
		{Request{Kind: Nginx, Connections: 100_000, Nodes: []string{"10.0.0.5:8080", "10.0.0.6:8080", "10.0.0.7:8080", "10.0.0.8:8080"}, Workers: 4}, []string{
			"worker_connections 63524;", "worker_rlimit_nofile 64548;", "worker_processes 4;", "listen 0.0.0.0:80 reuseport ", "location = /ws {",
			"server 10.0.0.5:8080 ", "server 10.0.0.6:8080 ", "proxy_read_timeout 15m;", "proxy_buffering off;",
		}},
		{Request{Kind: Nginx, Connections: 75_000, Nodes: []string{"10.0.0.5:8080"}, Sources: []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}}, []string{
			"split_clients \"$remote_addr:$remote_port\" $split_client {\n33.33% 10.0.0.1;\n33.33% 10.0.0.2;\n* 10.0.0.3;\n}", "proxy_bind $split_client;",
		}},
		{Request{Kind: Nginx, Connections: 1_000_000, Unix: "/run/s"}, []string{"server unix:/run/s "}},
		{Request{Kind: Nginx, Connections: 1, Unix: "/s", Certificate: "/c", Key: "/k"}, []string{"listen 0.0.0.0:443 ssl ", "ssl_certificate_key /k;"}},
		{Request{Kind: Nginx, Connections: 50_000, Nodes: []string{"10.0.0.5:8443"}, Sources: []string{"10.0.0.1", "10.0.0.2"}, Passthrough: true}, []string{
			"stream {", "listen 0.0.0.0:443 reuseport ", "server 10.0.0.5:8443 ", "proxy_protocol on;", "proxy_bind $split_client;", "proxy_timeout 15m;",
		}},
		{Request{Kind: HAProxy, Connections: 100_000, Nodes: []string{"10.0.0.5:8080"}, Sources: []string{"10.0.0.1", "10.0.0.2"}, HealthPort: 8081, Workers: 3}, []string{
			"maxconn 100000\nulimit-n 201026", "nbthread 3", "balance leastconn", "uri /readyz", "check port 8081 ", "send-proxy-v2", "timeout tunnel 15m",
			"server node1-1 10.0.0.5:8080 source 10.0.0.1:10000-65535\nserver node1-2 10.0.0.5:8080 source 10.0.0.2:10000-65535",
		}},
		{Request{Kind: HAProxy, Connections: 1, Unix: "/run/s"}, []string{"server local unix@/run/s"}},
		{Request{Kind: HAProxy, Connections: 1, Unix: "/run/s", Certificate: "/c", Key: "/c"}, []string{"bind 0.0.0.0:443 ssl crt /c ", "X-Forwarded-Proto https"}},
		{Request{Kind: HAProxy, Connections: 1, Unix: "/run/s", Passthrough: true}, []string{"mode tcp", "bind 0.0.0.0:443\n", "send-proxy-v2"}},
	} {
		got := write(t, c.r)
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%+v: %q is missing in\n%s", c.r, want, got)
			}
		}
	}
}

// TestRefused: what cannot work is refused with what would.
func TestRefused(t *testing.T) {
	node := []string{"10.0.0.5:8080"}
	for _, c := range []struct {
		r    Request
		want string
	}{
		{Request{Connections: 25_001, Nodes: node}, "2 pairs are needed"},
		{Request{Connections: 1_000_000, Nodes: node}, "  40 source addresses"},
		{Request{Kind: HAProxy, Connections: 54_981, Nodes: node, Sources: []string{"10.0.0.1"}}, "2 pairs are needed"},
		{Request{Kind: Nginx, Connections: 1_000_000, Nodes: node, Sources: []string{"10.0.0.1", "10.0.0.2"}}, "  20 ports of nodes"},
		{Request{Kind: HAProxy, Connections: 1_000_000, Nodes: node, Sources: []string{"10.0.0.1", "10.0.0.2"}}, "  10 ports of nodes"},
		{Request{Connections: 0, Nodes: node}, "0 connections"},
		{Request{Connections: 1 << 30, Nodes: node}, "allowed: 1 to 10000000"},
		{Request{Connections: 1}, "either nodes"},
		{Request{Connections: 1, Nodes: node, Unix: "/s"}, "either nodes"},
		{Request{Connections: 1, Unix: "/s", Sources: []string{"10.0.0.1"}}, "no source addresses"},
		{Request{Connections: 1, Unix: "s"}, "absolute"},
		{Request{Connections: 1, Unix: "/s;"}, "allowed: letters"},
		{Request{Connections: 1, Unix: "/s x"}, "allowed: letters"},
		{Request{Connections: 1, Nodes: node, ServerName: "a;b"}, "allowed: a host name"},
		{Request{Connections: 1, Nodes: node, ServerName: "*"}, "allowed: a host name"},
		{Request{Connections: 1, Nodes: node, ServerName: "www.*"}, "allowed: a host name"},
		{Request{Connections: 1, Nodes: node, ServerName: "a.*.example.com"}, "allowed: a host name"},
		{Request{Connections: 1, Nodes: node, ServerName: "~^www"}, "allowed: a host name"},
		{Request{Connections: 1, Nodes: node, ServerName: "push.example.com:443"}, "allowed: a host name"},
		{Request{Connections: 1, Nodes: node, Certificate: "/c"}, "both"},
		{Request{Connections: 1, Nodes: node, Passthrough: true, Certificate: "/c", Key: "/c"}, "not both"},
		{Request{Connections: 1, Nodes: node, Passthrough: true, Path: "/ws"}, "give neither"},
		{Request{Connections: 1, Nodes: node, Path: "ws"}, "begins with /"},
		{Request{Connections: 1, Nodes: node, Passthrough: true, SockJS: true}, "advertise.clients"},
		{Request{Connections: 1, Nodes: node, Listen: "443"}, "0.0.0.0:443"},
		{Request{Connections: 1, Nodes: []string{"10.0.0.5"}}, "host:port"},
		{Request{Connections: 1, Nodes: []string{"10.0.0.5:0"}}, "host:port"},
		{Request{Connections: 1, Nodes: []string{"a b:80"}}, "host:port"},
		{Request{Connections: 1, Nodes: append(node, node...)}, "twice"},
		{Request{Connections: 1, Nodes: node, Sources: []string{"eth0"}}, "IP address"},
		{Request{Connections: 1, Nodes: node, Sources: []string{"10.0.0.1", "10.0.0.1"}}, "twice"},
		{Request{Connections: 1, Nodes: node, Sources: []string{"2001:db8::1"}}, "IPv6"},
		{Request{Connections: 1, Nodes: node, Workers: -1}, "workers"},
		{Request{Connections: 1, Nodes: node, HealthPort: 65536}, "65535"},
	} {
		kinds := []Kind{Nginx, HAProxy}
		if c.r.Kind != "" {
			kinds = []Kind{c.r.Kind}
		}
		for _, kind := range kinds {
			c.r.Kind = kind
			var text bytes.Buffer
			if err := Write(&text, c.r); err == nil || !strings.Contains(err.Error(), c.want) || text.Len() > 0 {
				t.Errorf("%+v: %v, want %q; %d bytes were written", c.r, err, c.want, text.Len())
			}
		}
	}
	if err := Write(nil, Request{Kind: "squid"}); err == nil || !strings.Contains(err.Error(), "nginx, haproxy") {
		t.Error(err)
	}
	if err := Write(nil, Request{Kind: HAProxy, Connections: 1, Nodes: node, Certificate: "/a.pem", Key: "/b.pem"}); err == nil || !strings.Contains(err.Error(), "/a.pem.key") {
		t.Error(err)
	}
}

// TestEnough: just as many as fit are taken, for any number of sources and nodes, and all shares are one whole.
func TestEnough(t *testing.T) {
	for sources := range 9 {
		for nodes := 1; nodes < 5; nodes++ {
			r := Request{Kind: Nginx}
			for i := range sources {
				r.Sources = append(r.Sources, fmt.Sprintf("127.0.0.%d", 2+i))
			}
			for i := range nodes {
				r.Nodes = append(r.Nodes, fmt.Sprintf("127.0.0.1:%d", 8080+i))
			}
			r.Connections = max(1, sources) * nodes * pairConnections
			p, err := newPlan(r)
			if err != nil {
				t.Fatal(err)
			}
			if len(p.Shares) != sources {
				t.Errorf("%d sources: %v", sources, p.Shares)
			}
			total := 0.0
			for _, s := range p.Shares[:max(0, sources-1)] {
				var part float64
				if _, err := fmt.Sscanf(s.Part, "%f%%", &part); err != nil {
					t.Fatal(err)
				}
				total += part
			}
			if rest := 100 - total; sources > 1 && (rest < 100/float64(sources) || rest > 100/float64(sources)+0.01*float64(sources)) {
				t.Errorf("%d sources: the last gets %v%%", sources, rest)
			}
			if r.Connections++; r.Connections > 0 {
				if _, err := newPlan(r); err == nil {
					t.Errorf("%d connections over %d sources and %d nodes are taken", r.Connections, sources, nodes)
				}
			}
		}
	}
}
