package admin

import (
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"stentor/engine/directory"
	"stentor/engine/refusal"
)

const (
	defaultPushBytes      = 1 << 20
	defaultBatchBytes     = 8 << 20
	defaultPublishTimeout = 5 * time.Second
	// nodeTimeout bounds the wait for the event loops in everything but a push.
	nodeTimeout = 5 * time.Second
	// memoryOfBatches is how many of the largest bodies all requests together may hold at a time, unless configured.
	memoryOfBatches = 8
)

// Options say what an API stands in front of. Node and Projects are required.
type Options struct {
	Node     Node
	Projects Projects
	// Gatherer is what /metrics shows; nil for the default one.
	Gatherer prometheus.Gatherer
	// Registerer takes the API's own metrics; nil for none.
	Registerer prometheus.Registerer
	// PushBytes bounds one payload, BatchBytes the body of one batch. 0 stands for 1 MiB and 8 MiB.
	PushBytes, BatchBytes int64
	// MemoryBytes bounds what the bodies of all requests hold together, of which one project has at most half; 0 stands
	// for eight of the largest.
	MemoryBytes int64
	// PublishTimeout is how long a push waits for the bus; 0 stands for 5 s.
	PublishTimeout time.Duration
	Console        Console
	// Directory knows all nodes, for /v1/nodes and /v1/endpoints; nil: neither exists. Discovery bounds how often an
	// address may ask for the latter, nil: no bound. DiscoveryOrigins are the pages that may read its answer; none: any.
	Directory        *directory.View
	Discovery        *directory.Limiter
	DiscoveryOrigins []string
	// Cluster is for asking the other nodes of Directory; nil: every answer is of this node alone.
	Cluster *Cluster
	// TrustedProxies are the proxies whose reports of client addresses are believed.
	TrustedProxies []netip.Prefix
	// Names reports whether the Host of a request is one of this server's: a web page can have any other name resolve to
	// it. nil allows every Host.
	Names func(host string) bool
	// Refusals counts and logs requests that are refused; nil for nobody.
	Refusals *refusal.Log
	Log      *slog.Logger     // nil for slog's default
	Now      func() time.Time // nil for time.Now

	bodyGrace time.Duration // 0 stands for the constant
}

type api struct {
	o       Options
	metrics *metrics
	memory  *shares // bytes of bodies and listings, by the key's owner
	turns   *turns
	fans    *turns // of requests for all nodes
	peers   *peers // nil: there are none
	signs   signatures
	warned  atomic.Int64 // unix second of the last warning about the node
}

// handler is a route's own part: it answers, or returns the problem to answer with.
type handler func(w http.ResponseWriter, r *http.Request) *problem

// New returns the handler of the API port.
func New(o Options) http.Handler {
	a := newAPI(o)
	return a.mux(a.routes())
}

func newAPI(o Options) *api {
	if o.PushBytes == 0 {
		o.PushBytes = defaultPushBytes
	}
	if o.BatchBytes == 0 {
		o.BatchBytes = defaultBatchBytes
	}
	if o.PublishTimeout == 0 {
		o.PublishTimeout = defaultPublishTimeout
	}
	if o.bodyGrace == 0 {
		o.bodyGrace = bodyGrace
	}
	if o.Gatherer == nil {
		o.Gatherer = prometheus.DefaultGatherer
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	a := &api{o: o, metrics: newMetrics(o.Registerer), turns: newTurns(0), fans: newTurns(fansAtOnce)}
	if c := o.Cluster; c != nil && len(c.Key) > 0 && o.Directory != nil {
		a.peers = newPeers(*c, o.Directory, o.Now)
		a.signs.key, a.signs.self = c.Key, run{c.Self, c.Instance}
	}
	if o.MemoryBytes == 0 {
		o.MemoryBytes = memoryOfBatches * max(o.BatchBytes, a.pushBody())
		a.o.MemoryBytes = o.MemoryBytes
	}
	a.memory = newShares(o.MemoryBytes, 1, "memory", "api_bytes", a.metrics.refused.MustCurryWith(prometheus.Labels{"limit": "api_bytes"}))
	return a
}

func (a *api) mux(routes map[string]map[string]handler) http.Handler {
	mux := http.NewServeMux()
	for path, methods := range routes {
		mux.Handle(path, a.serve(path, methods))
	}
	other := notFound
	if routes["/openapi.yaml"] == nil {
		all := strings.Join(slices.Sorted(maps.Keys(routes)), ", ")
		other = func(_ http.ResponseWriter, r *http.Request) *problem {
			return newProblem(http.StatusNotFound, codeNotFound, "there is nothing at %s: the paths are %s", quote(r.URL.Path), all)
		}
	}
	mux.Handle("/", a.around("other", other))
	return mux
}

// routes lists the handlers by ServeMux path and method. Methods are told apart here and not by the mux, whose 405 is
// plain text.
func (a *api) routes() map[string]map[string]handler {
	routes := map[string]map[string]handler{
		"/v1/push":                                     {"POST": a.envelope},
		"/v1/projects":                                 {"GET": a.projects},
		"/v1/projects/{project}":                       {"GET": a.owned(a.clustered(a.project, a.projectEverywhere))},
		"/v1/projects/{project}/push":                  {"POST": a.owned(a.push)},
		"/v1/projects/{project}/push/batch":            {"POST": a.owned(a.batch)},
		"/v1/projects/{project}/pushes/{id}":           {"GET": a.owned(a.clustered(a.delivery, a.allDeliveries))},
		"/v1/projects/{project}/sessions":              {"GET": a.owned(a.clustered(a.listing(a.sessions), a.allSessions))},
		"/v1/projects/{project}/sessions/{id}":         {"DELETE": a.owned(a.clustered(a.kick, a.kickAnywhere))},
		"/v1/projects/{project}/users/{user}/sessions": {"DELETE": a.owned(a.clustered(a.kickUser, a.kickUserEverywhere))},
		"/v1/projects/{project}/destinations":          {"GET": a.owned(a.clustered(a.listing(a.destinations), a.allDestinations))},
		"/v1/projects/{project}/stats":                 {"GET": a.owned(a.clustered(a.stats, a.allStats))},
		"/v1/endpoints":                                {"GET": a.endpoints},
		"/v1/nodes":                                    {"GET": a.nodes},
		"/v1/nodes/{id}/drain":                         {"POST": a.drain(true), "DELETE": a.drain(false)},
		"/v1/nodes/{id}/shed":                          {"POST": a.shed},
		"/healthz":                                     {"GET": a.healthz},
		"/readyz":                                      {"GET": a.readyz},
		"/metrics":                                     {"GET": a.exposition(promhttp.HandlerFor(a.o.Gatherer, promhttp.HandlerOpts{DisableCompression: true}))},
		"/console.json":                                {"GET": a.console},
	}
	for path, h := range files() {
		routes[path] = map[string]handler{"GET": h}
	}
	return routes
}

// serve makes a route of its methods: it wraps each of them, and answers 405 to all others.
func (a *api) serve(path string, methods map[string]handler) http.Handler {
	allowed := slices.Sorted(maps.Keys(methods))
	if methods["GET"] != nil {
		allowed = append(allowed, "HEAD")
	}
	allow := strings.Join(allowed, ", ")
	return a.around(path, func(w http.ResponseWriter, r *http.Request) *problem {
		method := r.Method
		if method == "HEAD" {
			method = "GET" // net/http leaves the body out
		}
		h := methods[method]
		if h == nil {
			w.Header().Set("Allow", allow)
			return newProblem(http.StatusMethodNotAllowed, codeMethod, "%s is not for this path: use %s", quote(r.Method), allow)
		}
		return h(w, r)
	})
}

// notFound answers every path that no route has.
func notFound(_ http.ResponseWriter, r *http.Request) *problem {
	return newProblem(http.StatusNotFound, codeNotFound, "there is nothing at %s: /openapi.yaml describes every path", quote(r.URL.Path))
}

// around counts and times h under the name of its route, writes its problem, and turns its panic into a 500.
func (a *api) around(route string, h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		out := newWriter(w, r, a.o.bodyGrace)
		defer func() {
			if v := recover(); v != nil {
				a.metrics.panics.Inc()
				a.o.Log.Error("panic in an API handler", "route", route, "method", r.Method, "panic", v, "stack", string(debug.Stack()))
				if out.status != 0 {
					a.metrics.request(route, r.Method, http.StatusInternalServerError, time.Since(begun))
					panic(http.ErrAbortHandler) // half an answer is out: only closing shows that it is incomplete
				}
				newProblem(http.StatusInternalServerError, codeInternal, "this is a bug of the server: its log has the reason").write(out)
			}
			a.metrics.request(route, r.Method, out.status, time.Since(begun))
		}()
		p := a.misdirected(r)
		if p == nil {
			p = h(out, r)
		}
		if p != nil {
			a.refused(r, p)
			if p.Status == http.StatusUnauthorized {
				out.Header().Set("WWW-Authenticate", `Bearer realm="stentor"`)
			}
			p.write(out)
		}
	})
}

// misdirected refuses a request for a server of another name. A request without a Host is not from a browser.
func (a *api) misdirected(r *http.Request) *problem {
	if a.o.Names == nil || r.Host == "" || a.o.Names(r.Host) {
		return nil
	}
	return newProblem(http.StatusForbidden, codeForbidden, "%s is not a name of this server, and a web page may have made it resolve here: use the address, or add the name to listen.names", quote(r.Host))
}

// nodeProblem turns an error of the node into a problem, and logs errors that this package does not know, at most one a
// second.
func (a *api) nodeProblem(err error, project string) *problem {
	p := nodeProblem(err, project)
	if p.Code == codeUnavailable {
		now := time.Now().Unix()
		if last := a.warned.Load(); now > last && a.warned.CompareAndSwap(last, now) {
			a.o.Log.Warn("the node refused a request of the API", "project", project, "error", err)
		}
	}
	return p
}
