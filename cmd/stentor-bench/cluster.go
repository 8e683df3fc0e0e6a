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
		Long: `Measure three nodes, a registry and a real Kafka against their targets, with 10,000 clients
and pushes that go on:

  choices    how evenly the registry spreads clients, and how soon it answers
  answers    what the answer of a node's loop costs
  kill       one node is killed (kill -9)
  silent     the host of one node falls silent, without an RST
  rolling    all nodes restart in turn, while most subscriptions are silent
  rebalance  a fourth node starts, and "stentor rebalance" runs
  registry   the registry is killed, and new clients come
  brokers    Kafka is away for a minute, and new clients come

Each tells whether clients miss anything or get it twice, how long they are away, and how
late messages come to those of other nodes.

A Kafka must run: name it with --bootstrap or in KAFKA_BOOTSTRAP, or run "make
bench-cluster", which starts one; only that one can be ended for "brokers". Topics and
groups whose names begin with stentor-bench- are made and removed. Nodes and registry are
started and ended by this command, on free loopback ports; "silent" makes a network
namespace, for which it must be root, and is left out where it may not. A whole run takes
about 10 minutes. It needs an idle machine, and one descriptor per connection (ulimit -n).
The exit status is 1 when a target is missed.`,
		Example: `  stentor-bench cluster --stentor bin/stentor --bootstrap 127.0.0.1:9092
  stentor-bench cluster --only kill,rolling --quick
  stentor-bench cluster --json > cluster.json`,
	}, &o.Options, cluster.Measurements, "fewer and shorter samples: 4 minutes, for orientation",
		func(ctx context.Context) (*report.Report, error) { return cluster.Run(ctx, o) })
	f := c.Flags()
	addBrokers(f, &o.Brokers)
	f.IntVar(&o.Connections, "connections", 10000, "clients of all nodes together")
	return c
}
