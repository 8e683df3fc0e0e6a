package main

import (
	"context"

	"github.com/spf13/cobra"

	"stentor/bench/suite/node"
	"stentor/bench/suite/report"
)

func nodeCommand() *cobra.Command {
	var o node.Options
	c := suiteCommand(&cobra.Command{
		Use:   "node",
		Short: "Measure one node on this machine against its targets",
		Long: `Measure one node on this machine against its targets: memory per connection, CPU per
delivery against a bare write(2) loop, deliveries per second under overload, the effect
of clients that never read, and CPU per connect.

Servers are started and ended by this command, on free loopback ports; nothing needs to
run. A whole run takes about 15 minutes. It needs an idle machine, and one
descriptor per connection (ulimit -n). The exit status is 1 when a target is missed.`,
		Example: `  stentor-bench node --stentor bin/stentor
  stentor-bench node --only delivery,connect --quick
  stentor-bench node --json > node.json`,
	}, &o.Options, node.Measurements, "fewer and shorter samples: a few minutes, for orientation",
		func(ctx context.Context) (*report.Report, error) { return node.Run(ctx, o) })
	c.Flags().IntVar(&o.Connections, "connections", 15000, "connections; memory is taken at a fifth and at six fifths of them")
	return c
}
