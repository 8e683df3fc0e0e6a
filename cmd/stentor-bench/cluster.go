package main

import (
	"context"

	"github.com/spf13/cobra"

	"stentor/bench/suite/cluster"
	"stentor/bench/suite/report"
)

func clusterCommand() *cobra.Command {
	var o cluster.Options
	c := suiteCommand(&cobra.Command{
		Use:   "cluster",
		Short: "Measure three nodes, a registry and a real Kafka against their targets",
		Long: `Measure three nodes, a registry and a real Kafka against their targets: how evenly the
registry spreads 10,000 clients, and what clients notice when one of the nodes is killed
while pushes go on: how long its clients take to be back, whether they miss anything, and
how late messages come to the clients of the others.

A Kafka must run: name it with --bootstrap or in KAFKA_BOOTSTRAP, or run "make
bench-cluster", which starts one. Topics and groups whose names begin with stentor-bench-
are made and removed. Nodes and registry are started and ended by this command, on free
loopback ports. A whole run takes about 3 minutes. It needs an idle machine, and one
descriptor per connection (ulimit -n). The exit status is 1 when a target is missed.`,
		Example: `  stentor-bench cluster --stentor bin/stentor --bootstrap 127.0.0.1:9092
  stentor-bench cluster --only kill --quick
  stentor-bench cluster --json > cluster.json`,
	}, &o.Options, cluster.Measurements, "fewer and shorter samples: half a minute, for orientation",
		func(ctx context.Context) (*report.Report, error) { return cluster.Run(ctx, o) })
	f := c.Flags()
	addBrokers(f, &o.Brokers)
	f.IntVar(&o.Connections, "connections", 10000, "clients of all nodes together")
	return c
}
