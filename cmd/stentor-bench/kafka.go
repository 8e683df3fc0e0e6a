package main

import (
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"stentor/bench/kafka"
)

func kafkaCommand() *cobra.Command {
	var asJSON bool
	o := kafka.Options{Progress: os.Stderr, Terminal: isTerminal(os.Stderr)}
	if address := os.Getenv("KAFKA_BOOTSTRAP"); address != "" {
		o.Brokers = strings.Split(address, ",")
	}
	c := &cobra.Command{
		Use:   "kafka",
		Short: "Measure one node with a real Kafka against its targets",
		Long: `Measure one node with a real Kafka against its targets: the time from a back end's produce
to the client's socket, 20,000 unicasts a second for a minute, the start of a node with
a gigabyte of history, and thousands of clients that resume at once.

A Kafka must run: name it with --bootstrap or in KAFKA_BOOTSTRAP, or run "make
bench-kafka", which starts one. Topics and groups whose names begin with stentor-bench-
are made and removed; they take some 2 GB of disk. Nodes are started and ended by this
command, on free loopback ports. A whole run takes about 12 minutes. It wants a machine
that does nothing else, and one descriptor a connection (ulimit -n). The exit status is
1 when a target is missed.`,
		Example: `  stentor-bench kafka --stentor bin/stentor --bootstrap 127.0.0.1:9092
  stentor-bench kafka --only unicast,resume --quick
  stentor-bench kafka --json > kafka.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			self, err := os.Executable()
			if err != nil {
				return err
			}
			o.Baseline = func() *exec.Cmd { return exec.Command(self, baselineName) }
			report, err := kafka.Run(cmd.Context(), o)
			return finish(cmd.OutOrStdout(), report, err, asJSON)
		},
	}
	f := c.Flags()
	f.StringVar(&o.Stentor, "stentor", "bin/stentor", "the server's binary")
	f.StringSliceVar(&o.Brokers, "bootstrap", o.Brokers, "addresses of some brokers, host:port (default $KAFKA_BOOTSTRAP)")
	f.IntVar(&o.Connections, "connections", 5000, "clients of a broadcast, and clients that resume at once")
	f.IntVar(&o.Users, "users", 10000, "users that get unicasts")
	f.StringSliceVar(&o.Only, "only", nil, "measure only these: "+strings.Join(kafka.Measurements, ", "))
	f.BoolVar(&o.Quick, "quick", false, "fewer and shorter samples, a tenth of the history: two minutes, for orientation")
	f.BoolVar(&asJSON, "json", false, "print the report as JSON")
	return c
}
