package admin

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"stentor/engine/directory"
	"stentor/engine/refusal"
	"stentor/engine/websocket"
)

// noNodesSeconds is the Retry-After of an answer that names no node.
const noNodesSeconds = 2

// endpoints answers GET /v1/endpoints: the nodes that a client should connect to. Anybody may ask, including pages of any
// origin.
func (a *api) endpoints(w http.ResponseWriter, r *http.Request) *problem {
	a.allowOrigin(w.Header(), r.Header.Get("Origin"))
	if a.o.Directory == nil {
		return notFound(w, r)
	}
	now := a.o.Now()
	if l := a.o.Discovery; l != nil && !l.Allow(a.client(r), now) {
		p := newProblem(http.StatusTooManyRequests, codeLimit, "your address asks for nodes too often: try again after Retry-After seconds, and no more than once for each connection")
		p.why = refusal.DiscoveryRate
		return p
	}
	count := websocket.Parameter(r.URL.RawQuery, "n")
	n, ok := directory.ParseCount(count)
	if !ok {
		return badField("n is %s: send a number from 1 to %d", quote(count), directory.MaxAnswer)
	}
	body, ok := a.o.Directory.Answer(nil, n, now)
	if !ok {
		p := newProblem(http.StatusServiceUnavailable, codeUnavailable, "there is no node for you now: try again after Retry-After seconds")
		p.after, p.why = noNodesSeconds, refusal.DiscoveryEmpty
		return p
	}
	writeBody(w, http.StatusOK, jsonMedia, body)
	return nil
}

// allowOrigin lets pages read the answer: all of them, or those of the origins that are configured.
func (a *api) allowOrigin(h http.Header, origin string) {
	switch all := a.o.DiscoveryOrigins; {
	case len(all) == 0 || slices.Contains(all, "*"):
		h.Set("Access-Control-Allow-Origin", "*")
	default:
		h.Set("Vary", "Origin")
		if slices.Contains(all, strings.ToLower(origin)) {
			h.Set("Access-Control-Allow-Origin", origin)
		}
	}
}

// client is the address of the client that asks, as reported by trusted proxies. It is the zero value on a Unix socket
// without such a report.
func (a *api) client(r *http.Request) netip.Addr {
	peer := peer(r.RemoteAddr).Addr()
	forwarded := strings.Join(r.Header.Values("X-Forwarded-For"), ",")
	if forwarded == "" {
		return peer
	}
	return websocket.ClientAddr(peer, forwarded, a.o.TrustedProxies)
}

// nodes answers GET /v1/nodes. It names hosts and addresses of the operator's own network, so it needs an admin key.
func (a *api) nodes(w http.ResponseWriter, r *http.Request) *problem {
	if p := a.administers(r); p != nil {
		return p
	}
	if _, p := query(r); p != nil {
		return p
	}
	if a.o.Directory == nil {
		return notFound(w, r)
	}
	owner := a.owner(r)
	if p := a.memory.take(owner, listingBytes); p != nil {
		return p
	}
	defer a.memory.give(owner, listingBytes)
	now := a.o.Now()
	out := newStream(w, `{"nodes":[`)
	self := ""
	for _, n := range a.o.Directory.Nodes(now) {
		if n.Self {
			self = n.ID
		}
		one := nodeInfo(&n)
		out.item()
		out.value(&one)
	}
	rest := encode(nodesEnd{StaleMS: a.o.Directory.Stale(now).Milliseconds(), Self: self})
	out.end("]," + string(rest[1:]))
	return nil
}

func nodeInfo(n *directory.Node) NodeInfo {
	i := NodeInfo{
		ID: n.ID, Instance: n.Instance, State: n.State, Ready: n.Ready, Draining: n.Draining, Sealed: n.Sealed, Handed: n.Handed, Self: n.Self,
		URLs: n.URLs, API: n.API, Version: n.Version, Capacity: n.Capacity, Connections: n.Connections, Opening: n.Opening, Deliveries: n.Deliveries,
		CPU: n.CPU, Memory: n.Memory, LateMS: n.Late.Milliseconds(), HeardMS: -1,
	}
	if n.Heard >= 0 {
		i.HeardMS = n.Heard.Milliseconds()
	}
	if i.URLs == nil {
		i.URLs = []string{} // not null
	}
	return i
}

// administers lets only an admin key pass.
func (a *api) administers(r *http.Request) *problem {
	key, p := a.known(r)
	if p != nil {
		return p
	}
	if !a.o.Projects.AdminKey(key) {
		return newProblem(http.StatusForbidden, codeForbidden, "this key is of a project: send one of admin_keys")
	}
	return nil
}

// DirectoryMetrics shows the nodes that a view knows, and what became of their beats.
func DirectoryMetrics(v *directory.View) prometheus.Collector { return directoryMetrics{v} }

type directoryMetrics struct{ view *directory.View }

var (
	directoryNodes   = prometheus.NewDesc("stentor_directory_nodes", "Nodes that this process knows, by state: up, draining, suspect (silent), left.", []string{"state"}, nil)
	directoryHanded  = prometheus.NewDesc("stentor_directory_candidates", "Nodes that clients may be sent to.", nil, nil)
	directoryStale   = prometheus.NewDesc("stentor_directory_stale_seconds", "Seconds for which the list of nodes could not be read; 0 while it can.", nil, nil)
	directoryIgnored = prometheus.NewDesc("stentor_directory_beats_ignored_total", "Heartbeats of nodes that were ignored, by reason.", []string{"reason"}, nil)
	directoryChoices = prometheus.NewDesc("stentor_directory_choices_total", "Times that a client was told where to connect, by outcome: node, none.", []string{"outcome"}, nil)
)

// Describe implements prometheus.Collector.
func (m directoryMetrics) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, ch) }

// Collect implements prometheus.Collector.
func (m directoryMetrics) Collect(ch chan<- prometheus.Metric) {
	number := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	c := m.view.Counts()
	for state, n := range c.Nodes {
		number(directoryNodes, prometheus.GaugeValue, float64(n), state)
	}
	for reason, n := range c.Ignored {
		number(directoryIgnored, prometheus.CounterValue, float64(n), reason)
	}
	number(directoryHanded, prometheus.GaugeValue, float64(c.Handed))
	number(directoryStale, prometheus.GaugeValue, m.view.Stale(time.Now()).Seconds())
	number(directoryChoices, prometheus.CounterValue, float64(c.Choices-c.Empty), "node")
	number(directoryChoices, prometheus.CounterValue, float64(c.Empty), "none")
}
