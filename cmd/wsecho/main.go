// Command wsecho is a WebSocket echo server for conformance suites. It serves over the same code as a node of Stentor.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"stentor/engine/loop"
)

// stopTime is how long clients have to answer the close frame after SIGTERM.
const stopTime = 5 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "wsecho:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	opts := loop.EchoOptions{Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	cmd := &cobra.Command{
		Use:   "wsecho",
		Short: "Send every WebSocket message back",
		Long: `Sends every WebSocket message back as it came, in one frame, on any path. For conformance suites, such as
the Autobahn test suite: it accepts, reads and writes with the code of a node of Stentor.

  wsecho --listen 127.0.0.1:9001

A client that does not read is closed when two of the largest messages wait for it. SIGTERM and Ctrl-C close all
clients with 1001.`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			const most = 1 << 30
			if opts.MaxMessage < 1 || opts.MaxMessage > most {
				return fmt.Errorf("--max-message %d: expected 1 to %d bytes", opts.MaxMessage, most)
			}
			return serve(cmd, opts)
		},
	}
	cmd.Flags().StringVar(&opts.Listen, "listen", "127.0.0.1:9001", "address to listen on, with a literal IP address; port 0 takes a free one")
	cmd.Flags().IntVar(&opts.MaxMessage, "max-message", 16<<20, "largest message in bytes; a larger one is answered with 1009")
	return cmd
}

func serve(cmd *cobra.Command, opts loop.EchoOptions) error {
	e, err := loop.NewEcho(opts)
	if err != nil {
		return err
	}
	if err := e.Start(); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "echoing on ws://%s\n", e.Addresses()[0])
	select {
	case <-e.Ended():
		return e.Err()
	case <-cmd.Context().Done():
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	return e.Stop(ctx)
}
