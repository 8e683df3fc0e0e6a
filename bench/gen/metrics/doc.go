// Package metrics speaks the Prometheus text format both ways: Read takes what a server says of itself, and an Exporter
// serves what a load generator does while it runs, so that its figures stand beside those of the servers.
//
//	e, err := metrics.Listen("127.0.0.1:9090")
//	defer e.Close()
//	r, err := load.Run(ctx, s, load.Output{Each: e.Second})
//
// Second is called by the run's goroutine that tells of each second; requests are answered by net/http's goroutines. Both
// meet at a lock that is held for a copy.
package metrics
