package proxies

import (
	"net/netip"
	"path/filepath"
	"slices"

	"stentor/bench/machine/server"
	"stentor/engine/testkit/ports"
	"stentor/tuning/proxy"
)

// way is how clients come to the node.
type way struct {
	name string
	kind proxy.Kind // "" for none: clients connect to the node
	tls  bool
	unix bool // between proxy and node
	// records is tls.records of a node that has TLS itself.
	records string
}

// ways in the order in which they are measured. What the others are compared with is the first.
var ways = []way{
	{name: "direct"},
	{name: "node-tls", tls: true, records: "auto"},
	{name: "node-tls-go", tls: true, records: "go"},
	{name: "nginx", kind: proxy.Nginx},
	{name: "nginx-unix", kind: proxy.Nginx, unix: true},
	{name: "nginx-tls", kind: proxy.Nginx, tls: true},
	{name: "haproxy", kind: proxy.HAProxy},
	{name: "haproxy-unix", kind: proxy.HAProxy, unix: true},
	{name: "haproxy-tls", kind: proxy.HAProxy, tls: true},
}

// Ways are the names for Options.Only.
func Ways() (names []string) {
	for _, w := range ways {
		names = append(names, w.name)
	}
	return names
}

// chosen are the ways that only names, and the one that they are compared with.
func chosen(only []string) (all []way) {
	for i, w := range ways {
		if i == 0 || len(only) == 0 || slices.Contains(only, w.name) {
			all = append(all, w)
		}
	}
	return all
}

// place sets where a node takes the proxy's connections, and r to where that is. dir is for a socket.
func (w way) place(c *server.Config, r *proxy.Request, dir string) error {
	if w.kind == "" && !w.tls {
		return nil
	}
	option := ""
	if w.kind == "" {
		option, c.Records = " tls", w.records
	}
	if w.kind == proxy.HAProxy {
		option = " proxy_protocol"
	}
	if w.unix {
		r.Unix = filepath.Join(dir, "ws.sock")
		c.Listen = []string{"unix:" + r.Unix + " mode=0666" + option}
		return nil
	}
	at, err := ports.Free(netip.Addr{})
	if err != nil {
		return err
	}
	r.Nodes, c.Listen, c.Trusted = []string{at.String()}, []string{at.String() + option}, []netip.Addr{at.Addr()}
	return nil
}
