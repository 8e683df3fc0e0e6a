package jwks

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Options of Sources. Zero fields take the default.
type Options struct {
	Refresh time.Duration // between two fetches; default 15 minutes
	MaxAge  time.Duration // for which keys are kept while the provider is away; default 24 hours
	Log     *slog.Logger
	// Transport is what fetches; nil for one of the package's own.
	Transport http.RoundTripper
}

// Fetches at the same time, for each of the two kinds of providers: those that fail cannot delay the others.
const mostFetches = 32

// Sources are all of a process's. All methods may be called from any goroutine.
type Sources struct {
	o                Options
	client           *http.Client
	healthy, failing chan struct{} // places

	mu     sync.Mutex
	known  map[string]*Source
	ending sync.WaitGroup
}

// NewSources has none yet.
func NewSources(o Options) *Sources {
	o.Refresh, o.MaxAge = cmp.Or(o.Refresh, 15*time.Minute), cmp.Or(o.MaxAge, 24*time.Hour)
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	return &Sources{
		o: o, client: newClient(o.Transport), known: map[string]*Source{},
		healthy: make(chan struct{}, mostFetches), failing: make(chan struct{}, mostFetches),
	}
}

// Get returns the source of a provider, the same for the same spec. It fetches nothing before Serve.
func (all *Sources) Get(spec Spec) *Source {
	all.mu.Lock()
	defer all.mu.Unlock()
	s := all.known[spec.same()]
	if s == nil {
		s = &Source{spec: spec, all: all, wake: make(chan struct{}, 1)}
		all.known[spec.same()] = s
	}
	return s
}

// Serve has exactly these sources fetch from now on. The others end; who waits for them is answered.
func (all *Sources) Serve(used []*Source) {
	wanted := make(map[*Source]struct{}, len(used)) // each of many projects may have its own
	for _, s := range used {
		wanted[s] = struct{}{}
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	for name, s := range all.known {
		_, stays := wanted[s]
		switch {
		case !stays:
			delete(all.known, name)
			if s.stop != nil {
				s.stop()
			} else {
				s.close()
			}
		case s.stop == nil:
			ctx, stop := context.WithCancel(context.Background())
			s.stop = stop
			all.ending.Go(func() { s.run(ctx) })
		}
	}
}

// Close ends all and waits for them.
func (all *Sources) Close() {
	all.Serve(nil)
	all.ending.Wait()
}

// Stats are those of all sources, in the order of their names. What has the same name counts as one.
func (all *Sources) Stats() (list []Stats) {
	all.mu.Lock()
	defer all.mu.Unlock()
	byName := map[string]Stats{}
	for _, s := range all.known {
		x, so := s.Stats(), byName[s.spec.Name()]
		byName[x.Provider] = Stats{x.Provider, so.Refreshed + x.Refreshed, so.Failed + x.Failed, so.Keys + x.Keys, max(so.Age, x.Age)}
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		list = append(list, byName[name])
	}
	return list
}

// enter waits for a place among the fetches, until ctx ends.
func (all *Sources) enter(ctx context.Context, failing bool) (leave func()) {
	places := all.healthy
	if failing {
		places = all.failing
	}
	select {
	case places <- struct{}{}:
		return func() { <-places }
	case <-ctx.Done():
		return func() {}
	}
}
