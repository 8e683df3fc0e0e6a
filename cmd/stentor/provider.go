package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"stentor/cmd/stentor/provider"
	"stentor/engine/websocket"
)

const usualProvider = "127.0.0.1:8082"

func newProviderCmd() *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use:   "provider",
		Short: "Run an identity provider to try keys by JWKS with",
		Long: `Runs an identity provider for trials, on this machine only, until it is told to stop. It gives a token to everybody
who asks, so that nothing but a trial may trust it. "stentor serve --dev --provider ADDRESS" starts one with the node.

  stentor provider --listen 127.0.0.1:8082

A project of a configuration trusts it with

  keys: [{issuer_url: "http://127.0.0.1:8082"}]

Ask it for a token of a user; more of the query are claims, and exp is how long the token is valid:

  curl 'http://127.0.0.1:8082/token?sub=ann'
  curl 'http://127.0.0.1:8082/token?sub=ann&aud=push&exp=90s'

Rotate its keys: the next token has a new one. The key before is published until the next rotation, so that two
rotations make the first token worthless:

  curl -X POST http://127.0.0.1:8082/rotate`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := openProvider("--listen", listen)
			if err != nil {
				return err
			}
			p.announce(cmd.OutOrStdout())
			return p.serve(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&listen, "listen", usualProvider, "loopback address to listen at")
	return cmd
}

// tryProvider is an identity provider that listens.
type tryProvider struct {
	issuer   string
	listener net.Listener
	server   *http.Server
}

// openProvider listens. flag names where the address is from.
func openProvider(flag, address string) (*tryProvider, error) {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !at.Addr().IsLoopback() {
		return nil, usagef("%s: found %q, allowed: a loopback address, as in %s", flag, address, usualProvider)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, listening(flag, err)
	}
	issuer := "http://" + listener.Addr().String()
	var names websocket.Names // none: addresses and localhost are always
	p, err := provider.New(issuer, names.Has)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return &tryProvider{issuer: issuer, listener: listener, server: &http.Server{
		Handler: p.Handler(), ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10,
	}}, nil
}

// serve answers until ctx ends.
func (p *tryProvider) serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = p.server.Close() })
	defer stop()
	if err := p.server.Serve(p.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("the provider ended: %w", err)
	}
	return nil
}

// start serves until the function that it returns is called.
func (p *tryProvider) start() (stop func()) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = p.serve(context.Background()) // a listener on loopback has no end of its own
	}()
	return func() {
		_ = p.server.Close()
		<-ended
	}
}

// keys is the setting with which a project trusts the provider.
func (p *tryProvider) keys(project string) string {
	return fmt.Sprintf("projects.%s.keys=[{issuer_url: %q}]", project, p.issuer)
}

func (p *tryProvider) announce(out io.Writer) {
	fmt.Fprintf(out, `An identity provider is running for trials (this machine only).

  token     curl '%[1]s/token?sub=ann'
  rotate    curl -X POST %[1]s/rotate
  keys      [{issuer_url: %[1]q}]

`, p.issuer)
}
