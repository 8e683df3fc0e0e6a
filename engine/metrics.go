package engine

import (
	"strconv"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"stentor/engine/refusal"
	"stentor/engine/session"
	"stentor/engine/shard"
)

// metric is one of a shard's counters or gauges as Prometheus sees it: the sum over the shards.
type metric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*shard.Stats) float64
}

func counter(name, help string, of func(*shard.Stats) *atomic.Uint64) metric {
	return metric{
		prometheus.NewDesc("stentor_"+name+"_total", help, nil, nil), prometheus.CounterValue,
		func(s *shard.Stats) float64 { return float64(of(s).Load()) },
	}
}

func gauge(name, help string, of func(*shard.Stats) *atomic.Int64) metric {
	return metric{
		prometheus.NewDesc("stentor_"+name, help, nil, nil), prometheus.GaugeValue,
		func(s *shard.Stats) float64 { return float64(of(s).Load()) },
	}
}

var metrics = []metric{
	gauge("connections", "Open sockets of clients, and sessions of SockJS over HTTP beside the connections of their requests.", func(s *shard.Stats) *atomic.Int64 { return &s.Connections }),
	gauge("connections_unauthenticated", "Those of stentor_connections whose CONNECT has not been accepted.", func(s *shard.Stats) *atomic.Int64 { return &s.Greeting }),
	gauge("sessions", "Connected sessions.", func(s *shard.Stats) *atomic.Int64 { return &s.Sessions }),
	gauge("subscriptions", "Subscriptions.", func(s *shard.Stats) *atomic.Int64 { return &s.Subscriptions }),
	gauge("subscriptions_detached", "Subscriptions that are served separately: slow, resuming or waiting for an ACK.", func(s *shard.Stats) *atomic.Int64 { return &s.Detached }),
	gauge("transfers", "Pushes larger than one write that are being written to a client.", func(s *shard.Stats) *atomic.Int64 { return &s.Transfers }),
	gauge("logs", "Subscribed destinations and patterns, counted in each loop.", func(s *shard.Stats) *atomic.Int64 { return &s.Logs }),

	counter("accepted", "Connections accepted, and sessions of SockJS over HTTP opened.", func(s *shard.Stats) *atomic.Uint64 { return &s.Accepted }),
	counter("handshakes", "WebSockets opened.", func(s *shard.Stats) *atomic.Uint64 { return &s.Handshakes }),
	counter("handshakes_refused", "Handshakes answered with an HTTP error.", func(s *shard.Stats) *atomic.Uint64 { return &s.Refused }),
	counter("requests_answered", "Requests on the client port that asked for no WebSocket, and were answered.", func(s *shard.Stats) *atomic.Uint64 { return &s.Answered }),
	counter("client_events", "Frames and heart-beats from clients.", func(s *shard.Stats) *atomic.Uint64 { return &s.Frames }),
	counter("received_bytes", "Bytes from clients.", func(s *shard.Stats) *atomic.Uint64 { return &s.BytesIn }),
	counter("sent_bytes", "Bytes to clients.", func(s *shard.Stats) *atomic.Uint64 { return &s.BytesOut }),
	counter("deliveries", "MESSAGEs handed to sockets.", func(s *shard.Stats) *atomic.Uint64 { return &s.Deliveries }),
	counter("delivery_writes", "Writes that carried MESSAGEs.", func(s *shard.Stats) *atomic.Uint64 { return &s.Writes }),
	counter("transfer_writes", "Writes that carried a piece of a push larger than one write.", func(s *shard.Stats) *atomic.Uint64 { return &s.Pieces }),
	counter("rounds", "Rounds over the subscribers of a destination.", func(s *shard.Stats) *atomic.Uint64 { return &s.Rounds }),
	counter("detaches", "Subscriptions whose socket was full in a round.", func(s *shard.Stats) *atomic.Uint64 { return &s.Detaches }),
	counter("dropped", "Pushes dropped by the policy for slow clients.", func(s *shard.Stats) *atomic.Uint64 { return &s.Dropped }),
	counter("expired", "Pushes that expired before they were written to a subscription.", func(s *shard.Stats) *atomic.Uint64 { return &s.Expired }),
	counter("unsendable", "Pushes that a session was not given because its transport cannot carry them: SockJS carries only UTF-8.", func(s *shard.Stats) *atomic.Uint64 { return &s.Unsendable }),
	counter("compression_saved_bytes", "Bytes that were not sent to clients because pushes were compressed.", func(s *shard.Stats) *atomic.Uint64 { return &s.Saved }),
	counter("decompression_messages", "Compressed messages of clients.", func(s *shard.Stats) *atomic.Uint64 { return &s.Unpacked }),
	counter("slow_closes", "Clients closed for reading too slowly.", func(s *shard.Stats) *atomic.Uint64 { return &s.SlowCloses }),
	counter("shed", "Sessions closed so that their clients go to nodes that have more room.", func(s *shard.Stats) *atomic.Uint64 { return &s.Shed }),
	counter("heartbeats", "Heart-beats and pings sent.", func(s *shard.Stats) *atomic.Uint64 { return &s.Heartbeats }),
	counter("heartbeats_lost", "Clients closed because they were silent.", func(s *shard.Stats) *atomic.Uint64 { return &s.HeartbeatLost }),
	counter("errors", "ERROR frames sent.", func(s *shard.Stats) *atomic.Uint64 { return &s.Errors }),
	counter("nacks", "NACKs received.", func(s *shard.Stats) *atomic.Uint64 { return &s.Nacks }),
	counter("token_renewals", "Tokens of open sessions that were replaced by new ones.", func(s *shard.Stats) *atomic.Uint64 { return &s.Renewals }),
	counter("sends_ignored", "SENDs that no rule serves.", func(s *shard.Stats) *atomic.Uint64 { return &s.SendIgnored }),
	counter("forwards", "SENDs forwarded to the back ends.", func(s *shard.Stats) *atomic.Uint64 { return &s.Forwards }),
	counter("subscribes_unserved", "SUBSCRIBEs to a prefix that the project does not serve.", func(s *shard.Stats) *atomic.Uint64 { return &s.Unserved }),
	counter("subscribes_duplicate", "SUBSCRIBEs with an id that is in use.", func(s *shard.Stats) *atomic.Uint64 { return &s.Duplicates }),
	counter("resumed", "Subscriptions resumed without a gap.", func(s *shard.Stats) *atomic.Uint64 { return &s.Resumed }),
	counter("resume_pauses", "Attempts to serve a subscription that were postponed to the next tick, because its session had used its share of the loop.", func(s *shard.Stats) *atomic.Uint64 { return &s.Paused }),
	counter("resume_gaps", "Subscriptions that were told resumed:false.", func(s *shard.Stats) *atomic.Uint64 { return &s.ResumeGaps }),
	counter("panics", "Recovered panics.", func(s *shard.Stats) *atomic.Uint64 { return &s.Panics }),
}

var (
	capacityDesc = prometheus.NewDesc("stentor_connections_max", "Limit of the clients' sockets on this node.", nil, nil)
	overHTTPDesc = prometheus.NewDesc("stentor_sockjs_http_sessions", "Sessions of SockJS over HTTP, with those that ended a moment ago: sockjs.connections bounds them.", nil, nil)
	lentDesc     = prometheus.NewDesc("stentor_sockjs_http_connections", "Connections of clients of SockJS over HTTP, with idle ones.", nil, nil)
	receiverDesc = prometheus.NewDesc("stentor_sockjs_http_receivers", "Requests of SockJS over HTTP that receive.", nil, nil)
	headersDesc  = prometheus.NewDesc("stentor_proxy_protocol_refused_total", "Connections refused at a listener with proxy_protocol, by reason.", []string{"reason"}, nil)
	acceptDesc   = prometheus.NewDesc("stentor_accept_errors_total", "Accepts that failed, by reason. Open connections are not affected.", []string{"reason"}, nil)
	shortDesc    = prometheus.NewDesc("stentor_accept_refused_total", "Connections closed at accept for lack of a descriptor.", nil, nil)
	shakesDesc   = prometheus.NewDesc("stentor_tls_handshakes_total", "Handshakes of TLS that were made.", []string{"version", "suite", "resumed"}, nil)
	unshakenDesc = prometheus.NewDesc("stentor_tls_failures_total", "Connections to listeners with TLS that did not get to their data, by reason. Connections that were closed without a byte do not count.", []string{"reason"}, nil)
	brokenDesc   = prometheus.NewDesc("stentor_tls_broken_total", "Connections over TLS that were closed because of what came behind the handshake: not a record, not sealed with their key, or an alert.", nil, nil)
	shakingDesc  = prometheus.NewDesc("stentor_tls_handshakes_under_way", "Handshakes of TLS that are under way.", nil, nil)
	ciphersDesc  = prometheus.NewDesc("stentor_tls_ciphers", "Ciphers that are kept for the next writes over TLS 1.3: tls.cipher_bytes bounds them.", nil, nil)
	usesDesc     = prometheus.NewDesc("stentor_tls_cipher_uses_total", "Writes over TLS 1.3, by the cipher: kept from an earlier write, or made for this one, which takes more processor time.", []string{"cipher"}, nil)
	updatesDesc  = prometheus.NewDesc("stentor_tls_key_updates_total", "KeyUpdates of TLS 1.3, of clients and of the node.", nil, nil)
	readyDesc    = prometheus.NewDesc("stentor_ready", "1 when clients may be sent to this node.", nil, nil)

	excessBytes    = prometheus.NewDesc("stentor_session_bytes_used", "Bytes that count against limits.session_bytes: what sessions hold above what each may always hold.", nil, nil)
	strangerBytes  = prometheus.NewDesc("stentor_unauthenticated_bytes", "Bytes of input that connections hold before their CONNECT is accepted.", nil, nil)
	transports     = prometheus.NewDesc("stentor_sessions_by_transport", "Connected sessions by how they are connected.", []string{"transport"}, nil)
	headersDropped = prometheus.NewDesc("stentor_headers_dropped_total", "Headers of clients' SENDs that were not passed on, by reason.", []string{"reason"}, nil)

	projectSessions = prometheus.NewDesc("stentor_project_sessions", "Connected sessions.", []string{"project"}, nil)
	projectPushes   = prometheus.NewDesc("stentor_pushes_total", "Pushes taken from the bus.", []string{"project"}, nil)
	projectSkipped  = prometheus.NewDesc("stentor_pushes_skipped_total", "Pushes taken from the bus and not delivered, by reason.", []string{"project", "reason"}, nil)
	projectRefused  = prometheus.NewDesc("stentor_pushes_refused_total", "Pushes refused, by reason.", []string{"project", "reason"}, nil)
	limitsMet       = prometheus.NewDesc("stentor_limit_met_total", "Clients refused or closed by a limit; limit is its key below limits: in the configuration.", []string{"limit"}, nil)
	refused         = prometheus.NewDesc("stentor_refusals_total", "Refusals of clients, tenants and back ends, by stage and reason: docs/refusals.md.", []string{"stage", "reason"}, nil)
	projectFull     = prometheus.NewDesc("stentor_project_full_total", "Sessions refused by the project's limit.", []string{"project"}, nil)
	sessionBytes    = prometheus.NewDesc("stentor_session_bytes", "Bytes that the project's sessions hold: waiting input, unsent answers, transactions, subscriptions, ACK windows.", []string{"project"}, nil)
	historyBytes    = prometheus.NewDesc("stentor_history_bytes", "Bytes kept for clients that resume.", []string{"project"}, nil)
	floorsForgotten = prometheus.NewDesc("stentor_history_forgotten_total", "Destinations whose newest evicted push history has forgotten for lack of room: a client that resumes there may get resumed:false without having missed anything.", []string{"project"}, nil)
	historyPushes   = prometheus.NewDesc("stentor_history_pushes", "Pushes kept for clients that resume.", []string{"project"}, nil)
	slowBytes       = prometheus.NewDesc("stentor_slow_bytes", "Bytes of pushes that left history while clients are still receiving them.", []string{"project"}, nil)
	pendingBytes    = prometheus.NewDesc("stentor_pending_bytes", "Bytes of pushes that were accepted and not yet written to every subscriber.", []string{"project"}, nil)
)

// Describe implements prometheus.Collector.
func (n *Node) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(n, ch) }

// Collect implements prometheus.Collector.
func (n *Node) Collect(ch chan<- prometheus.Metric) {
	for _, m := range metrics {
		sum := 0.0
		for _, s := range n.shards {
			sum += m.value(s.Stats())
		}
		ch <- prometheus.MustNewConstMetric(m.desc, m.kind, sum)
	}
	number := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	met := [refusal.Reasons]uint64{}
	for why := refusal.None + 1; why < refusal.Reasons; why++ {
		met[why.Limit()] += n.refusals.Count(why)
	}
	for why := refusal.None + 1; why < refusal.Reasons; why++ {
		if why.Limit() == why {
			number(limitsMet, prometheus.CounterValue, float64(met[why]), why.String())
		}
	}
	for why := refusal.None + 1; why < refusal.Reasons; why++ {
		number(refused, prometheus.CounterValue, float64(n.refusals.Count(why)), string(why.Stage()), why.String())
	}
	var credentials, reserved uint64
	for _, s := range n.shards {
		credentials += s.Stats().Credentials.Load()
		reserved += s.Stats().Reserved.Load()
	}
	for f := range session.Forms {
		sum := int64(0)
		for _, s := range n.shards {
			sum += s.Stats().Forms[f].Load()
		}
		number(transports, prometheus.GaugeValue, float64(sum), f.Transport())
	}
	n.collectCompression(ch)
	number(excessBytes, prometheus.GaugeValue, float64(n.budget.Used()))
	number(strangerBytes, prometheus.GaugeValue, float64(n.strangers.Held()))
	number(headersDropped, prometheus.CounterValue, float64(credentials), "credential")
	number(headersDropped, prometheus.CounterValue, float64(reserved), "reserved")
	number(headersDesc, prometheus.CounterValue, float64(n.refusals.Count(refusal.ProxyUntrusted)), "untrusted")
	number(headersDesc, prometheus.CounterValue, float64(n.refusals.Count(refusal.ProxyMissing)), "missing")
	number(headersDesc, prometheus.CounterValue, float64(n.refusals.Count(refusal.ProxyInvalid)), "invalid")
	errs := n.server.AcceptErrors()
	number(acceptDesc, prometheus.CounterValue, float64(errs.ProcessDescriptors), "process_descriptors")
	number(acceptDesc, prometheus.CounterValue, float64(errs.SystemDescriptors), "system_descriptors")
	number(acceptDesc, prometheus.CounterValue, float64(errs.Memory), "memory")
	number(acceptDesc, prometheus.CounterValue, float64(errs.Other), "other")
	number(shortDesc, prometheus.CounterValue, float64(errs.Refused))
	if n.opts.TLS != nil {
		made, failed := n.server.Handshakes()
		for one, count := range made {
			number(shakesDesc, prometheus.CounterValue, float64(count), one.Version, one.Suite, strconv.FormatBool(one.Resumed))
		}
		for reason, count := range failed {
			number(unshakenDesc, prometheus.CounterValue, float64(count), reason)
		}
		number(brokenDesc, prometheus.CounterValue, float64(n.server.BrokenRecords()))
		number(shakingDesc, prometheus.GaugeValue, float64(n.shaking.count()))
		ciphers := n.server.Ciphers()
		number(ciphersDesc, prometheus.GaugeValue, float64(ciphers.Kept))
		number(usesDesc, prometheus.CounterValue, float64(ciphers.Hits), "kept")
		number(usesDesc, prometheus.CounterValue, float64(ciphers.Misses), "made")
		number(updatesDesc, prometheus.CounterValue, float64(ciphers.KeyUpdates))
	}
	number(capacityDesc, prometheus.GaugeValue, float64(n.capacity))
	if h := n.http; h != nil {
		number(overHTTPDesc, prometheus.GaugeValue, float64(h.sessions.Len()))
		number(lentDesc, prometheus.GaugeValue, float64(h.server.Conns()))
		number(receiverDesc, prometheus.GaugeValue, float64(h.sessions.Receivers()))
	}
	ready := 0.0
	if n.Ready() == nil {
		ready = 1
	}
	number(readyDesc, prometheus.GaugeValue, ready)
	for name, p := range *n.tenants.Load() {
		number(projectSessions, prometheus.GaugeValue, float64(p.sessions.Load()), name)
		number(projectPushes, prometheus.CounterValue, float64(p.accepted.Load()), name)
		number(projectSkipped, prometheus.CounterValue, float64(p.expired.Load()), name, "expired")
		number(projectSkipped, prometheus.CounterValue, float64(p.repeated.Load()), name, "repeated")
		number(projectRefused, prometheus.CounterValue, float64(p.busy.Load()), name, "busy")
		number(projectRefused, prometheus.CounterValue, float64(p.limited.Load()), name, "rate")
		number(projectFull, prometheus.CounterValue, float64(p.full.Load()), name)
		number(sessionBytes, prometheus.GaugeValue, float64(p.share.Held()), name)
		number(historyBytes, prometheus.GaugeValue, float64(p.history.Bytes()), name)
		number(floorsForgotten, prometheus.CounterValue, float64(p.history.Forgotten()), name)
		number(historyPushes, prometheus.GaugeValue, float64(p.history.Len()), name)
		number(slowBytes, prometheus.GaugeValue, float64(p.history.Held()), name)
		number(pendingBytes, prometheus.GaugeValue, float64(p.history.Pending()), name)
	}
	n.authFailures.Collect(ch)
}
