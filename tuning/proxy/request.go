package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// Kind is a proxy program.
type Kind string

// The programs.
const (
	Nginx   Kind = "nginx"
	HAProxy Kind = "haproxy"
)

// Request is what an operator asks for.
type Request struct {
	Kind        Kind
	Connections int      // clients at a time
	Nodes       []string // host:port where the nodes accept clients; none with Unix
	Unix        string   // path of a node's socket on the proxy's host; none with Nodes
	Sources     []string // addresses of the proxy's host from which it connects to the nodes; none: the system's choice
	Listen      string   // host:port for clients; "" is port 80 (with TLS 443) on all addresses
	// Certificate and Key turn TLS on. They are PEM files. HAProxy needs the key in the certificate's file, or in a file of
	// its name with .key appended.
	Certificate, Key string
	// Passthrough leaves TLS to the nodes, whose listeners need tls. The proxy sees neither paths nor names.
	Passthrough bool
	// ServerName is a host name, *.example.com for all names below it, or .example.com for it and all below it, as in nginx.
	// "" and _ match every name.
	ServerName string
	Path       string // of the endpoint; "" is /ws
	SockJS     bool   // the endpoint serves it
	HealthPort int    // of the nodes' API, on which HAProxy requests /readyz; with 0 it only checks that the node accepts
	Workers    int    // nginx's processes, HAProxy's threads; 0 is one for each core of this machine
	User       string // the user that the proxy runs as; "" is the distribution's
	// RunDir is where the pid file and temporary files go; "" is the distribution's places.
	RunDir string
}

// maxConnections is more than any single proxy was measured to hold.
const maxConnections = 10_000_000

var (
	// word matches what may appear in either configuration without quotes.
	word     = regexp.MustCompile(`^[A-Za-z0-9._/:@%+,=~*-]+$`)
	hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`)
	names    = regexp.MustCompile(`^(\*?\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`)
)

// complete sets defaults, and returns an error for what cannot work.
func (r *Request) complete() error {
	if r.Kind != Nginx && r.Kind != HAProxy {
		return fmt.Errorf("found the proxy %q, allowed: nginx, haproxy", r.Kind)
	}
	if r.Connections < 1 || r.Connections > maxConnections {
		return fmt.Errorf("%d connections, allowed: 1 to %d", r.Connections, maxConnections)
	}
	if (len(r.Nodes) > 0) == (r.Unix != "") {
		return errors.New("give either nodes (host:port) or the path of a node's Unix socket")
	}
	if r.Unix != "" && len(r.Sources) > 0 {
		return errors.New("a Unix socket has no source addresses: give one of the two")
	}
	if (r.Certificate == "") != (r.Key == "") {
		return errors.New("TLS needs both a certificate and its key")
	}
	if r.Passthrough {
		switch {
		case r.Certificate != "":
			return errors.New("TLS is passed through, or ends at the proxy: give a certificate or passthrough, not both")
		case r.SockJS:
			return errors.New("what is passed through has no paths that the proxy could look at, by which it would find a session of SockJS: set advertise.clients of the nodes instead")
		case r.ServerName != "" || r.Path != "":
			return errors.New("what is passed through has no name and no path that the proxy could look at: give neither")
		}
	}
	if r.Workers < 0 || r.Workers > 1024 {
		return fmt.Errorf("%d workers, allowed: 0 to 1024", r.Workers)
	}
	if r.HealthPort < 0 || r.HealthPort > 65535 {
		return fmt.Errorf("found the port %d, allowed: 0 to 65535", r.HealthPort)
	}
	r.defaults()
	if r.Kind == HAProxy && r.Certificate != "" && r.Key != r.Certificate && r.Key != r.Certificate+".key" {
		return fmt.Errorf("HAProxy finds the key of %s in %s.key, or in the same file; the key %s has to have that name", r.Certificate, r.Certificate, r.Key)
	}
	for what, value := range map[string]string{
		"the Unix socket": r.Unix, "the certificate": r.Certificate, "the key": r.Key, "the path": r.Path,
		"the user": r.User, "the directory": r.RunDir,
	} {
		if value != "" && !word.MatchString(value) {
			return fmt.Errorf("found %q for %s, allowed: letters, digits and . _ / : @ %% + , = ~ * -", value, what)
		}
	}
	for what, path := range map[string]string{"Unix socket": r.Unix, "directory": r.RunDir, "certificate": r.Certificate, "key": r.Key} {
		if path != "" && !filepath.IsAbs(path) {
			return fmt.Errorf("found the %s %q, allowed: an absolute path", what, path)
		}
	}
	if r.ServerName != "" && !names.MatchString(r.ServerName) {
		return fmt.Errorf("found the server name %q, allowed: a host name, *.example.com, .example.com, or _ for every name", r.ServerName)
	}
	if !strings.HasPrefix(r.Path, "/") {
		return fmt.Errorf("found the path %q, allowed: one that begins with /", r.Path)
	}
	if _, err := netip.ParseAddrPort(r.Listen); err != nil {
		return fmt.Errorf("found %q to listen on, allowed: an IP address and a port, as in 0.0.0.0:443", r.Listen)
	}
	return r.addresses()
}

func (r *Request) defaults() {
	if r.Workers == 0 {
		r.Workers = runtime.NumCPU()
	}
	if r.Path == "" {
		r.Path = "/ws"
	}
	if r.ServerName == "_" {
		r.ServerName = ""
	}
	if r.Listen == "" {
		r.Listen = "0.0.0.0:80"
		if r.Certificate != "" || r.Passthrough {
			r.Listen = "0.0.0.0:443"
		}
	}
	if r.User == "" {
		r.User = map[Kind]string{Nginx: "www-data", HAProxy: "haproxy"}[r.Kind]
	}
}

// addresses checks nodes and sources, each by itself and against the others.
func (r *Request) addresses() error {
	is6 := map[bool]string{} // by family, one that has it
	for i, node := range r.Nodes {
		host, port, err := net.SplitHostPort(node)
		n, e := strconv.ParseUint(port, 10, 16)
		addr, notIP := netip.ParseAddr(host)
		if err != nil || e != nil || n == 0 || notIP != nil && !hostName.MatchString(host) {
			return fmt.Errorf("found the node %q, allowed: host:port, as in 10.0.0.5:8080", node)
		}
		if slices.Contains(r.Nodes[:i], node) {
			return fmt.Errorf("found the node %q twice", node)
		}
		if notIP == nil {
			is6[addr.Is6()] = node
		}
	}
	for i, source := range r.Sources {
		addr, err := netip.ParseAddr(source)
		if err != nil || addr.Zone() != "" || addr.IsUnspecified() {
			return fmt.Errorf("found the source %q, allowed: an IP address of this host", source)
		}
		if slices.Contains(r.Sources[:i], source) {
			return fmt.Errorf("found the source %q twice", source)
		}
		if node, other := is6[!addr.Is6()]; other {
			return fmt.Errorf("the source %s cannot reach the node %s: one is IPv4, the other IPv6", source, node)
		}
	}
	return nil
}
