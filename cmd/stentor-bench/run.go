package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"stentor/bench/agent"
	"stentor/bench/load"
	"stentor/bench/result"
)

const runExamples = `  stentor-bench run broadcast --url ws://10.0.0.1:8080/ws --api http://10.0.0.1:8081 --api-key-file shop.key \
      --project shop --secret-file shop.secret --kid a --connections 100000 --rate 5 --duration 5m --json run.json
  stentor-bench run reconnect --connections 5000 --open-rate 0
  stentor-bench run busy-hour.yaml --connections 2000
  stentor-bench run broadcast --receipts=false --resume=false --topic /topic/news \
      --push-url http://127.0.0.1:9000/send --push-body '{"topic":"{{.Destination}}","payload":{{.Payload}}}'`

func runCommand() *cobra.Command {
	var scenarios strings.Builder
	for _, s := range load.Scenarios {
		fmt.Fprintf(&scenarios, "  %-10s %s\n", s.Name, s.Does)
	}
	c := loadCommand("")
	c.Use = "run SCENARIO|FILE.yaml [flags]"
	c.Short = "Put load on a server that runs, and check every message"
	c.Long = `Opens many STOMP-over-WebSocket connections from this process, pushes messages, and checks every
message at every connection: lost, repeated, out of order, corrupted, delivered to the wrong one.
The exit status is 1 when anything was wrong.

Scenarios:

` + scenarios.String() + `
A YAML file has the same keys as the flags, with _ for -, and "scenario". Flags win over the file.
Connections and pushes are paced open loop; latency counts from the time at which a message was due.
Before it starts it checks descriptors, source ports and memory, and says what mends a shortage.`
	c.Example = runExamples
	c.Args = cobra.ExactArgs(1)
	return c
}

// millionCommand is "run million" under a name of its own.
func millionCommand() *cobra.Command {
	c := loadCommand("million")
	c.Use = "million [flags]"
	c.Short = "Show that a node holds its connections: run million"
	c.Long = `Opens --connections authenticated connections with two subscriptions each, holds them, pushes to
all several times, pushes to single users, has some kicked, drops a share of them and lets them resume;
every message is checked. It is the scenario "million" of run, with the same flags.`
	c.Example = `  stentor-bench million --connections 1000000 --heartbeat 5m --secret-file bench.secret --api-key-file bench.key --json million.json`
	c.Args = cobra.NoArgs
	return c
}

// loadCommand runs a scenario, that of its argument unless one is named.
func loadCommand(scenario string) *cobra.Command {
	var asJSON, tokenFile string
	var agents []string
	var quiet bool
	spec, flags := load.NewSpec()
	c := &cobra.Command{
		RunE: func(cmd *cobra.Command, args []string) error {
			spec.Scenario = scenario
			if scenario == "" {
				spec.Scenario = args[0]
				if strings.HasSuffix(args[0], ".yaml") || strings.HasSuffix(args[0], ".yml") {
					var err error
					if spec.Scenario, err = load.ReadFile(flags, args[0]); err != nil {
						return err
					}
					if spec.Scenario == "" {
						return fmt.Errorf("%s: no scenario", args[0])
					}
				}
			}
			out := load.Output{Writer: os.Stderr, Terminal: isTerminal(os.Stderr), Settings: load.Settings(flags)}
			if quiet {
				out.Writer = nil
			}
			r, err := runOn(cmd.Context(), agents, tokenFile, spec, out)
			if r == nil {
				return err
			}
			if err := load.WriteSummary(cmd.OutOrStdout(), r); err != nil {
				return err
			}
			if asJSON != "" {
				if err := writeJSON(asJSON, r); err != nil {
					return err
				}
			}
			if err == nil && !r.Verdict.Good {
				err = errors.New("the run is not good")
			}
			return err
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.AddFlagSet(flags)
	f.StringVar(&asJSON, "json", "", "write the result there as JSON")
	f.StringSliceVar(&agents, "agents", nil, "host:port of the agents that make the load, instead of this process")
	f.StringVar(&tokenFile, "agents-token-file", "", "file with the secret that they share")
	f.BoolVarP(&quiet, "quiet", "q", false, "show no progress")
	return c
}

// runOn runs a load in this process, or on agents when there are any.
func runOn(ctx context.Context, agents []string, tokenFile string, spec *load.Spec, out load.Output) (*result.Result, error) {
	if len(agents) == 0 {
		return load.Run(ctx, spec, out)
	}
	if tokenFile == "" {
		return nil, errors.New("--agents needs --agents-token-file")
	}
	token, err := agent.ReadToken(tokenFile)
	if err != nil {
		return nil, err
	}
	return agent.Run(ctx, spec, agents, token, out)
}

func writeJSON(path string, r *result.Result) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	e := json.NewEncoder(f)
	e.SetIndent("", " ")
	return errors.Join(e.Encode(r), f.Close())
}
