package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"stentor/bench/gen/agent"
	"stentor/bench/gen/load"
	"stentor/bench/gen/result"
)

// agentCommand waits for runs that a controller on another host starts.
func agentCommand() *cobra.Command {
	var listen, tokenFile string
	c := &cobra.Command{
		Use:   "agent --token-file FILE",
		Short: "Generate load from this host for a run that is started elsewhere",
		Long: `Waits for "stentor-bench run --agents", generates its part of the load, and returns the result.
Controller and agents share a secret, in a file on each of the hosts:

  head -c 24 /dev/urandom | base64 > agents.token

An agent runs only load specifications, one at a time, and reads no files on request. Requests are not
encrypted, and contain the keys that sign tokens and push messages: keep the port inside your network, or use a tunnel.
All hosts need the same stentor-bench, and clocks as accurate as the latencies should be (NTP).`,
		Example: `  stentor-bench agent --listen 10.0.1.2:7070 --token-file agents.token
  stentor-bench run broadcast --agents 10.0.1.2:7070,10.0.1.3:7070 --agents-token-file agents.token --connections 200000 ...`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			token, err := agent.ReadToken(tokenFile)
			if err != nil {
				return err
			}
			l, err := net.Listen("tcp", listen)
			if err != nil {
				return err
			}
			log := func(format string, args ...any) {
				fmt.Fprintln(os.Stderr, time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
			}
			log("listening on %v", l.Addr())
			keepSmall()
			return agent.New(token, log).Serve(cmd.Context(), l)
		},
	}
	f := c.Flags()
	f.StringVar(&listen, "listen", "127.0.0.1:7070", "address and port for the controller")
	f.StringVar(&tokenFile, "token-file", "", "file with the secret")
	if err := c.MarkFlagRequired("token-file"); err != nil {
		panic(err) // no such flag
	}
	return c
}

// generators are the processes that generate a load: this one, or agents.
type generators struct {
	agents    []string
	tokenFile string
}

func (g *generators) add(f *pflag.FlagSet) {
	f.StringSliceVar(&g.agents, "agents", nil, "host:port of the agents that generate the load instead of this process")
	f.StringVar(&g.tokenFile, "agents-token-file", "", "file with the secret that they share")
}

// check checks that this host has what a run needs. Agents check their own hosts.
func (g *generators) check(ctx context.Context, s *load.Spec) error {
	if n := len(g.agents); n > 0 {
		return fmt.Errorf("--check checks this host, but the agents generate the load: run it there, with their share of the connections, as in --check --connections %d", (s.Connections+n-1)/n)
	}
	return load.Check(ctx, s)
}

func (g *generators) run(ctx context.Context, s *load.Spec, out load.Output) (*result.Result, error) {
	if len(g.agents) == 0 {
		return load.Run(ctx, s, out)
	}
	if g.tokenFile == "" {
		return nil, errors.New("--agents needs --agents-token-file")
	}
	token, err := agent.ReadToken(g.tokenFile)
	if err != nil {
		return nil, err
	}
	return agent.Run(ctx, s, g.agents, token, out)
}
