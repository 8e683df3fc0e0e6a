package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"stentor/bench/gen/client"
	"stentor/bench/gen/pace"
	"stentor/bench/gen/push"
	"stentor/stomp"
)

// Probes find, before the load begins, what would fail for every connection or every push: a request that changes nothing,
// and a connection to each server that does everything that the load's connections do.

const (
	probeTimeout = 10 * time.Second // for the API
	mostProbes   = 8                // connections, projects
	apiPort      = "8081"           // as shipped
)

// apisOf are the APIs of the servers of these URLs, at the port that a server has as shipped.
func apisOf(urls []string) (all []string) {
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil || u.Hostname() == "" {
			continue // newTarget says so
		}
		if api := "http://" + net.JoinHostPort(u.Hostname(), apiPort); !slices.Contains(all, api) {
			all = append(all, api)
		}
	}
	return all
}

// pushesByAPI reports whether the scenario needs the API for more than figures.
func (r *run) pushesByAPI() bool { return r.Push == "api" && r.Scenario != "connect" }

// metricsURLs are the URLs of the servers' metrics, none when they are unknown.
func (r *run) metricsURLs() (all []string) {
	switch {
	case len(r.Metrics) > 0:
		return r.Metrics
	case r.Push == "http":
		return nil
	case r.apiGuessed:
		all = apisOf(r.URLs)
	default:
		all = []string{strings.TrimSuffix(r.API, "/")}
	}
	for i := range all {
		all[i] += "/metrics"
	}
	return all
}

// guessed tells who has not named the API where it was looked for.
func (r *run) guessed() string {
	if r.apiGuessed {
		return " (the host of --url and the usual port: name another with --api)"
	}
	return ""
}

// note records what a reader should know although it is not a problem.
func (r *run) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// probe runs all probes, and sets the URLs of the metrics.
func (r *run) probe(ctx context.Context, o client.Options) error {
	if r.pushesByAPI() {
		if err := r.probeAPI(ctx); err != nil {
			return err
		}
	}
	r.metrics = r.metricsURLs()
	api := ""
	if len(r.metrics) > 0 && len(r.Metrics) == 0 {
		api = r.metrics[0]
	}
	before := int64(-1)
	if api != "" {
		var err error
		if before, err = everAccepted(ctx, &http.Client{Timeout: watchTimeout}, api); err != nil {
			r.note("there are no figures of the server: %s%s: %s", api, r.guessed(), rootOf(err))
			r.metrics, api = nil, ""
		}
	}
	c, sessions, err := r.probeClients(ctx, o)
	if err != nil {
		return err
	}
	defer c.Close()
	if r.pushesByAPI() || api != "" {
		return r.probeSame(ctx, sessions, api, before)
	}
	return nil
}

// rootOf is an error without the request that it is about.
func rootOf(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// probeAPI asks with the key for each project.
func (r *run) probeAPI(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	for _, project := range r.Projects[:min(len(r.Projects), mostProbes)] {
		err := r.api.Probe(ctx, project)
		var no *push.Answer
		switch {
		case err == nil:
		case !errors.As(err, &no):
			return fmt.Errorf("--api %s%s: pushes cannot get there: %w", r.API, r.guessed(), err)
		case no.Status == http.StatusUnauthorized && !r.keyed:
			return fmt.Errorf("--api %s wants a key: name its file with --api-key-file (%s)", r.API, no.Text)
		case no.Status == http.StatusUnauthorized:
			return fmt.Errorf("%s does not accept --api-key: %s", r.API, no.Text)
		case no.Status == http.StatusForbidden:
			return fmt.Errorf("--api-key is not one of --project %s: %s", project, no.Text)
		case no.Status == http.StatusNotFound:
			return fmt.Errorf("--project %s: %s does not serve it%s: %s", project, r.API, r.guessed(), no.Text)
		default:
			return fmt.Errorf("--api %s%s: %w", r.API, r.guessed(), err)
		}
	}
	return nil
}

// opened is a connection that a probe has opened.
type opened struct {
	number int
	id     string // of its session, empty when the server does not say
}

// probeClients opens a connection to each server, as the load's will be.
func (r *run) probeClients(ctx context.Context, o client.Options) (*client.Client, []opened, error) {
	n := min(len(o.Addresses), mostProbes, r.Connections)
	var mu sync.Mutex
	var all []opened
	o.Threads, o.Signers = 1, min(o.Signers, 1)
	o.Connected = func(number int, f *stomp.Frame) {
		id, _ := f.Get("session")
		mu.Lock()
		defer mu.Unlock()
		all = append(all, opened{r.first + number, string(id)})
	}
	c, err := client.New(o)
	if err != nil {
		return nil, nil, err
	}
	if err := c.Open(ctx, client.Reading, n); err != nil {
		if said := causes(c.Counts().Failures); said != "" {
			err = fmt.Errorf("no connection can be opened as the load's would be: %s", said)
		}
		c.Close()
		return nil, nil, err
	}
	mu.Lock()
	defer mu.Unlock()
	return c, slices.Clone(all), nil
}

// probeSame checks that the API belongs to the server that has the sessions: by their ids, or, without a key, by the number
// of connections accepted before them.
func (r *run) probeSame(ctx context.Context, sessions []opened, metrics string, before int64) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	same, known := false, false
	for _, s := range sessions {
		if s.id == "" || !r.keyed {
			continue
		}
		has, err := r.api.HasSession(ctx, r.streams.projects[r.streams.project(s.number)], s.id)
		if err != nil {
			continue // the key is another project's, or it is no Stentor
		}
		same, known = same || has, true
	}
	if !known && metrics != "" && len(sessions) > 0 {
		same, known = grown(ctx, metrics, before), true
	}
	if same || !known {
		return nil
	}
	what := fmt.Sprintf("%s%s is not the API of the server at %s: it does not know the connection that was opened there", r.API, r.guessed(), r.URLs[0])
	if r.pushesByAPI() && r.apiGuessed {
		return errors.New(what)
	}
	if len(r.Metrics) == 0 {
		r.metrics = nil
		what += "; its figures are not shown"
	}
	if r.pushesByAPI() {
		what += "; pushes come only if both are nodes of one cluster"
	}
	r.note("%s", what)
	return nil
}

// grown waits until a server has accepted more connections than before, for as long as figures may be old.
func grown(ctx context.Context, metrics string, before int64) bool {
	const every, most = 100 * time.Millisecond, 20
	for range most {
		if now, err := everAccepted(ctx, http.DefaultClient, metrics); err == nil && now > before {
			return true
		}
		if pace.Wait(ctx, every) != nil {
			return false
		}
	}
	return false
}
