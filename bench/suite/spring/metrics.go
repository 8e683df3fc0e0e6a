package spring

import (
	"fmt"
	"net"
	"net/http"
	"time"
)

// process is a server that runs.
type process interface {
	RSS() (int64, error)
	CPU() (time.Duration, error)
}

// metrics serves memory and CPU of a process as a Prometheus client library would. The caller closes it.
func metrics(p process) (url string, s *http.Server, err error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	s = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		rss, err := p.RSS()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		cpu, err := p.CPU()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes %d\n"+
			"# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %.6f\n", rss, cpu.Seconds())
	})}
	go func() { _ = s.Serve(l) }() // returns when it is closed
	return "http://" + l.Addr().String() + "/metrics", s, nil
}
