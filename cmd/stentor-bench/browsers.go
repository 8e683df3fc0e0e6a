package main

import (
	"context"

	"github.com/spf13/cobra"

	"stentor/bench/suite/browsers"
	"stentor/bench/suite/report"
)

func browsersCommand() *cobra.Command {
	var o browsers.Options
	c := suiteCommand(&cobra.Command{
		Use:   "browsers",
		Short: "Measure what clients of every kind cost a node, beside plain WebSockets",
		Long: `Measure what clients of every kind cost a node, beside plain WebSockets:

  keys         CONNECTs whose keys come from an identity provider, beside keys from a file
  hang         what others feel while an identity provider does not answer
  sockjs       deliveries and memory by SockJS over WebSocket
  xhr          1,000 clients over xhr_streaming: what is lost, what each takes
  compression  the bytes, deliveries and memory of permessage-deflate, on a fixed corpus of
               JSON documents of 2 KB

Servers and providers are started and ended by this command, on free loopback ports;
nothing needs to run. It needs an idle machine, and one descriptor per connection
(ulimit -n). A whole run takes about 15 minutes, with --quick 5. The exit status is 1 when a
target is missed.`,
		Example: `  stentor-bench browsers --stentor bin/stentor
  stentor-bench browsers --only keys --quick
  stentor-bench browsers --json > browsers.json`,
	}, &o.Options, browsers.Measurements, "fewer and shorter samples, for orientation",
		func(ctx context.Context) (*report.Report, error) { return browsers.Run(ctx, o) })
	c.Flags().IntVar(&o.Connections, "connections", 15000, "connections")
	return c
}
