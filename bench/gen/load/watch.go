package load

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"stentor/bench/gen/metrics"
	"stentor/bench/gen/result"
)

// watchTimeout bounds one request for a server's metrics. Under load it may take long.
const watchTimeout = 5 * time.Second

// watcher reads the servers' metrics. One goroutine at a time uses it.
type watcher struct {
	client *http.Client
	urls   []string
	cpu    []usage // of each
}

// usage adds up the CPU time that a process uses after its first sample, across its restarts.
type usage struct {
	seen       bool
	last, used float64 // seconds
}

// add takes the present value of the process's counter.
func (u *usage) add(now float64) {
	switch {
	case !u.seen:
	case now < u.last: // another process
		u.used += now
	default:
		u.used += now - u.last
	}
	u.seen, u.last = true, now
}

func newWatcher(urls []string) *watcher {
	if slices.Equal(urls, []string{"none"}) {
		urls = nil
	}
	return &watcher{client: &http.Client{Timeout: watchTimeout}, urls: urls, cpu: make([]usage, len(urls))}
}

// look returns the sum over all servers, nil when one does not answer.
func (w *watcher) look(ctx context.Context) *result.Server {
	if len(w.urls) == 0 {
		return nil
	}
	sum := &result.Server{}
	for i, url := range w.urls {
		one, err := look(ctx, w.client, url)
		if err != nil {
			return nil
		}
		w.cpu[i].add(one.CPUSeconds)
		sum.Connections += one.Connections
		sum.RSS += one.RSS
		sum.CPUSeconds += w.cpu[i].used
	}
	return sum
}

// before reads the servers' metrics before the run.
func (s *stock) before(ctx context.Context, w *watcher) {
	sum := w.look(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.server, s.first = sum, sum
}

// watch reads the servers' metrics every second until ctx ends.
func (s *stock) watch(ctx context.Context, w *watcher) {
	if len(w.urls) == 0 {
		return
	}
	defer w.client.CloseIdleConnections()
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		sum := w.look(ctx)
		if ctx.Err() != nil {
			return // the run's last second keeps the figures of the look before
		}
		s.mu.Lock()
		s.server = sum
		s.mu.Unlock()
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}

// look reads the metrics of one server. Those of the process have the names that every Prometheus client library gives
// them. Its CPU is that of the process's whole life.
func look(ctx context.Context, c *http.Client, url string) (r result.Server, err error) {
	all, err := scrape(ctx, c, url)
	if err != nil {
		return r, err
	}
	connections, _ := all.Sum("stentor_connections") // another server has none
	rss, _ := all.Sum("process_resident_memory_bytes")
	r.Connections, r.RSS = int64(connections), int64(rss)
	r.CPUSeconds, _ = all.Sum("process_cpu_seconds_total")
	return r, nil
}

// everAccepted is how many connections one server has accepted in its life. Unlike the number of those that are open it does not
// fall when those of an earlier run leave.
func everAccepted(ctx context.Context, c *http.Client, url string) (int64, error) {
	all, err := scrape(ctx, c, url)
	if err != nil {
		return 0, err
	}
	n, _ := all.Sum("stentor_accepted_total") // another server has none
	return int64(n), nil
}

// scrape reads all metrics of one server.
func scrape(ctx context.Context, c *http.Client, url string) (metrics.Families, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := c.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, answer.Status)
	}
	return metrics.Read(answer.Body)
}
