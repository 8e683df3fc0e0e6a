package main

import (
	"context"

	"github.com/spf13/cobra"

	"stentor/bench/suite/kafka"
	"stentor/bench/suite/report"
)

func kafkaCommand() *cobra.Command {
	var o kafka.Options
	c := suiteCommand(&cobra.Command{
		Use:   "kafka",
		Short: "Measure one node with a real Kafka against its targets",
		Long: `Measure one node with a real Kafka against its targets: the time from a back end's produce
to the client's socket, 20,000 unicasts a second for a minute, the start of a node with
a gigabyte of history, and thousands of clients that resume at once.

A Kafka must run: name it with --bootstrap or in KAFKA_BOOTSTRAP, or run "make
bench-kafka", which starts one. Topics and groups whose names begin with stentor-bench-
are made and removed; they take some 2 GB of disk. Nodes are started and ended by this
command, on free loopback ports. A whole run takes about 12 minutes. It needs an idle
machine, and one descriptor per connection (ulimit -n). The exit status is
1 when a target is missed.`,
		Example: `  stentor-bench kafka --stentor bin/stentor --bootstrap 127.0.0.1:9092
  stentor-bench kafka --only unicast,resume --quick
  stentor-bench kafka --json > kafka.json`,
	}, &o.Options, kafka.Measurements, "fewer and shorter samples, a tenth of the history: two minutes, for orientation",
		func(ctx context.Context) (*report.Report, error) { return kafka.Run(ctx, o) })
	f := c.Flags()
	addBrokers(f, &o.Brokers)
	f.IntVar(&o.Connections, "connections", 5000, "clients of a broadcast, and clients that resume at once")
	f.IntVar(&o.Users, "users", 10000, "users that get unicasts")
	return c
}
