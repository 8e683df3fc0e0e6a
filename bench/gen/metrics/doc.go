// Package metrics reads and writes the Prometheus text format: Read parses the metrics of a server, and an Exporter
// serves those of a running load generator, so that its figures can be shown next to those of the servers.
//
//	e, err := metrics.Listen("127.0.0.1:9090")
//	defer e.Close()
//	r, err := load.Run(ctx, s, load.Output{Each: e.Second})
//
// The run's goroutine calls Second every second; net/http's goroutines answer requests. Both
// use a lock that is held for a copy.
package metrics
