package load

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"stentor/bench/result"
	"stentor/bench/scrape"
)

// watchTimeout bounds one look at a server's metrics. Under load it may take long.
const watchTimeout = 5 * time.Second

// watch looks at the servers' metrics every second until ctx ends.
func (s *stock) watch(ctx context.Context, urls []string) {
	if len(urls) == 0 || slices.Equal(urls, []string{"none"}) {
		return
	}
	c := &http.Client{Timeout: watchTimeout}
	defer c.CloseIdleConnections()
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		sum := &result.Server{}
		for _, url := range urls {
			one, err := look(ctx, c, url)
			if err != nil {
				sum = nil
				break
			}
			sum.Connections += one.Connections
			sum.RSS += one.RSS
			sum.CPUSeconds += one.CPUSeconds
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
// them.
func look(ctx context.Context, c *http.Client, url string) (r result.Server, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return r, err
	}
	answer, err := c.Do(request)
	if err != nil {
		return r, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return r, fmt.Errorf("%s: %s", url, answer.Status)
	}
	all, err := scrape.Read(answer.Body)
	if err != nil {
		return r, err
	}
	connections, _ := all.Sum("stentor_connections") // another server has none
	rss, _ := all.Sum("process_resident_memory_bytes")
	r.Connections, r.RSS = int64(connections), int64(rss)
	r.CPUSeconds, _ = all.Sum("process_cpu_seconds_total")
	return r, nil
}
