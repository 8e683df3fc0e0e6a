package proxy

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

const (
	// firstPort and lastPort bound the ports from which the proxy connects to the nodes. Servers use those below.
	firstPort = 10_000
	lastPort  = 65_535
	// pairConnections is how many connections one source address may have to one address and port of a node when the
	// kernel chooses the port. There are 55,536, but connect(2) first searches those with the parity of the first. Once
	// these 27,768 are taken, it searches all of them for each connection before it takes another (__inet_hash_connect,
	// Linux 6.1 to 6.18: over a millisecond of CPU each, until the proxy answers with 502). A tenth stays free, so that
	// it soon finds one.
	pairConnections = 25_000
	// chosenConnections is the same when the proxy chooses the port, as HAProxy does with a source: the number of ports,
	// less 1% for those in TIME_WAIT and for an uneven spread.
	chosenConnections = (lastPort - firstPort + 1) * 99 / 100

	// spare descriptors of a process, for its log, its listeners and the checks of nodes.
	spare = 1024
)

// plan is what follows from a request.
type plan struct {
	Request
	Pairs int // of source and node

	// Idle is how long a connection may be silent. It is longer than the longest heart-beat that a node can be configured
	// for (10 minutes), so that the node closes silent connections, not the proxy.
	Idle string
	// PerWorker is how many sockets one nginx process may have; the kernel does not spread clients evenly.
	PerWorker int
	Files     int // descriptors of a process
	Shares    []share
	Ports     string // of sources
}

// share is a source address and its part of the clients.
type share struct{ Part, Source string }

// newPlan checks that the request can be met.
func newPlan(r Request) (*plan, error) {
	if err := r.complete(); err != nil {
		return nil, err
	}
	p := &plan{Request: r, Idle: "15m", Ports: fmt.Sprintf("%d-%d", firstPort, lastPort)}
	if err := p.fit(); err != nil {
		return nil, err
	}
	switch r.Kind {
	case Nginx:
		p.PerWorker = 2*r.Connections/r.Workers*5/4 + spare
		p.Files = p.PerWorker + spare
	case HAProxy:
		p.Files = 2*r.Connections + len(p.Nodes)*max(1, len(p.Sources)) + spare
	}
	for i, source := range r.Sources {
		part := "*"
		if i < len(r.Sources)-1 {
			part = percent(len(r.Sources))
		}
		p.Shares = append(p.Shares, share{part, source})
	}
	return p, nil
}

// percent is one n-th in nginx's form: with two decimals, rounded down so that all shares together are at most 100%.
func percent(n int) string {
	return fmt.Sprintf("%d.%02d%%", 100/n, 10000/n%100)
}

// each is how many connections a pair of addresses takes.
func (p *plan) each() int {
	if p.Kind == HAProxy && len(p.Sources) > 0 {
		return chosenConnections
	}
	return pairConnections
}

// fit returns an error when the connections need more pairs of addresses than there are.
func (p *plan) fit() error {
	if p.Unix != "" {
		return nil
	}
	sources := max(1, len(p.Sources))
	p.Pairs = sources * len(p.Nodes)
	each := p.each()
	need := (p.Connections + each - 1) / each
	if need <= p.Pairs {
		return nil
	}
	perNode := (need + len(p.Nodes) - 1) / len(p.Nodes)
	more := (need + sources - 1) / sources
	return fmt.Errorf("%d connections do not fit: from one source address to one address and port of a node %d find a port at once, and with %d source address(es) and %d node port(s) there are %d in all. "+
		"%d pairs are needed; take one of\n"+
		"  %d source addresses of this host (ip address add ADDRESS/32 dev lo|eth0), as in --source 10.0.0.11,10.0.0.12\n"+
		"  %d ports of nodes: more addresses in listen.client of each node, or more nodes, as in --node 10.0.0.5:8080,10.0.0.5:8082\n"+
		"  a Unix socket, when the node is on this host, as in --unix /run/stentor/ws.sock",
		p.Connections, each, sources, len(p.Nodes), p.Pairs*each, need, perNode, more)
}

// Listening is the part of stentor.yaml that this proxy needs.
func (p *plan) Listening() string {
	option := ""
	if p.Kind == HAProxy || p.Passthrough {
		option = " proxy_protocol"
	}
	if p.Passthrough {
		option += " tls"
	}
	if p.Unix != "" {
		return fmt.Sprintf("client: [\"unix:%s%s group=%s\"]", p.Unix, option, p.User)
	}
	var ports, all []string
	for _, node := range p.Nodes {
		ports = append(ports, "0.0.0.0"+node[strings.LastIndexByte(node, ':'):])
	}
	for i, one := range ports {
		if !strings.Contains(strings.Join(ports[:i], " ")+" ", one+" ") {
			all = append(all, fmt.Sprintf("%q", one+option))
		}
	}
	return "client: [" + strings.Join(all, ", ") + "]"
}

// Below begins the paths below the endpoint's.
func (p *plan) Below() string { return strings.TrimSuffix(p.Path, "/") + "/" }

// Quoted is the endpoint's path in a regular expression, without a slash at its end.
func (p *plan) Quoted() string { return regexp.QuoteMeta(strings.TrimSuffix(p.Path, "/")) }

// SessionField is where a path of SockJS has the session, counted from 1 and separated by slashes: behind the server.
func (p *plan) SessionField() int { return strings.Count(p.Below(), "/") + 2 }

// Trusting is the value of trusted_proxies.
func (p *plan) Trusting() string {
	if len(p.Sources) > 0 {
		return strings.Join(p.Sources, ", ")
	}
	return "the addresses of this proxy"
}

// Named is HAProxy's condition for a request to one of the server's names, which it compares as text.
func (p *plan) Named() string {
	const host = "req.hdr(host),field(1,:)"
	name, below := p.ServerName, ""
	if i := strings.IndexByte(name, '.'); strings.HasPrefix(name, "*.") || i == 0 {
		below = fmt.Sprintf("{ %s -i -m end %s }", host, name[i:])
		if i > 0 {
			return below
		}
		name, below = name[1:], " or "+below
	}
	return fmt.Sprintf("{ %s -i %s }%s", host, name, below)
}

// Loopback reports whether clients can connect only from this machine.
func (p *plan) Loopback() bool { return netip.MustParseAddrPort(p.Listen).Addr().IsLoopback() }
