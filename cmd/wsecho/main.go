// Command wsecho is a WebSocket echo server for conformance suites. It serves over the same code as a node of Stentor.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"stentor/engine/certs"
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
	var secure overTLS
	cmd := &cobra.Command{
		Use:   "wsecho",
		Short: "Send every WebSocket message back",
		Long: `Sends every WebSocket message back as it came, in one frame, on any path. For conformance suites, such as
the Autobahn test suite: it accepts, reads and writes with the code of a node of Stentor.

  wsecho --listen 127.0.0.1:9001
  wsecho --listen 127.0.0.1:9001 --tls-cert echo.pem --tls-key echo.key

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
			var err error
			if opts.TLS, err = secure.load(opts.Log); err != nil {
				return err
			}
			return serve(cmd, opts)
		},
	}
	cmd.Flags().StringVar(&opts.Listen, "listen", "127.0.0.1:9001", "address to listen on, with a literal IP address; port 0 takes a free one")
	cmd.Flags().IntVar(&opts.MaxMessage, "max-message", 16<<20, "largest message in bytes; a larger one is answered with 1009")
	cmd.Flags().BoolVar(&opts.Compress, "compression", false, "agree on permessage-deflate with clients that offer it, and compress every message")
	cmd.Flags().StringVar(&secure.cert, "tls-cert", "", "serve wss:// with the certificate chain of this PEM file")
	cmd.Flags().StringVar(&secure.key, "tls-key", "", "its key, a PEM file")
	cmd.Flags().StringVar(&secure.records, "tls-records", "auto", "what seals and opens the records of TLS 1.3: auto (the code of a node) or go (crypto/tls)")
	return cmd
}

// overTLS is what the flags say about TLS.
type overTLS struct{ cert, key, records string }

// load returns the TLS of the server; nil when there is no certificate.
func (o overTLS) load(log *slog.Logger) (*loop.TLS, error) {
	switch {
	case o.records != "auto" && o.records != "go":
		return nil, fmt.Errorf("--tls-records %q: expected auto or go", o.records)
	case (o.cert == "") != (o.key == ""):
		return nil, errors.New("--tls-cert and --tls-key: expected both or neither")
	case o.cert == "":
		return nil, nil
	}
	c, err := certs.Load(certs.Options{Pairs: []certs.Pair{{Cert: o.cert, Key: o.key}}, MinVersion: tls.VersionTLS12, Log: log})
	if err != nil {
		return nil, err
	}
	return &loop.TLS{Config: c.Clients(), Records: o.records == "auto", CipherBytes: 1 << 20}, nil
}

func serve(cmd *cobra.Command, opts loop.EchoOptions) error {
	e, err := loop.NewEcho(opts)
	if err != nil {
		return err
	}
	if err := e.Start(); err != nil {
		return err
	}
	scheme := "ws"
	if opts.TLS != nil {
		scheme = "wss"
	}
	fmt.Fprintf(cmd.OutOrStdout(), "echoing on %s://%s\n", scheme, e.Addresses()[0])
	select {
	case <-e.Ended():
		return e.Err()
	case <-cmd.Context().Done():
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	return e.Stop(ctx)
}
