package admin

import (
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"stentor/engine/directory"
	"stentor/engine/refusal"
)

// RegistryOptions say what a registry answers from. Directory, Discovery, Ready, Gatherer and Log are required.
type RegistryOptions struct {
	Directory *directory.View
	Discovery *directory.Limiter
	// Origins are the pages that may read the answer; none or "*": any.
	Origins        []string
	TrustedProxies []netip.Prefix
	Ready          func() error
	Gatherer       prometheus.Gatherer
	Registerer     prometheus.Registerer // nil for none
	Refusals       *refusal.Log          // nil for nobody
	Log            *slog.Logger
}

// NewRegistry returns the handler of a registry: it tells clients where to connect, and nothing else. It has no keys, and
// nothing that needs one.
func NewRegistry(o RegistryOptions) http.Handler {
	a := newAPI(Options{
		Projects: noProjects{}, Directory: o.Directory, Discovery: o.Discovery, DiscoveryOrigins: o.Origins, TrustedProxies: o.TrustedProxies,
		Gatherer: o.Gatherer, Registerer: o.Registerer, Refusals: o.Refusals, Log: o.Log,
	})
	return a.mux(map[string]map[string]handler{
		"/v1/endpoints": {"GET": a.endpoints},
		"/healthz":      {"GET": a.healthz},
		"/readyz": {"GET": func(w http.ResponseWriter, _ *http.Request) *problem {
			if err := o.Ready(); err != nil {
				return newProblem(http.StatusServiceUnavailable, codeNotReady, "not ready: %s", err)
			}
			writeJSON(w, status{"ready"})
			return nil
		}},
		"/metrics": {"GET": a.exposition(promhttp.HandlerFor(o.Gatherer, promhttp.HandlerOpts{DisableCompression: true}))},
	})
}

// noProjects is what a registry knows of projects and keys.
type noProjects struct{ Projects }

func (noProjects) Exists(string) bool          { return false }
func (noProjects) Owner(string) (string, bool) { return "", false }
