package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"stentor/bench/gen/load"
	"stentor/bench/gen/metrics"
	"stentor/bench/gen/page"
	"stentor/bench/gen/result"
)

const runExamples = `  stentor-bench run broadcast --url ws://10.0.0.1:8080/ws --api-key-file shop.key \
      --project shop --secret-file shop.secret --kid a --connections 100000 --rate 5 --duration 5m --json run.json
  stentor-bench run reconnect --connections 5000 --open-rate 0
  stentor-bench run busy-hour.yaml --connections 2000
  stentor-bench run broadcast --connections 10000 --threshold 'p99<50ms' --threshold 'open-rate>=500' --html run.html
  stentor-bench run broadcast --receipts=false --resume=false --topic /topic/news \
      --push-url http://127.0.0.1:9000/send --push-body '{"topic":"{{.Destination}}","payload":{{.Payload}}}'`

func runCommand() *cobra.Command {
	var scenarios strings.Builder
	for _, s := range load.Scenarios {
		fmt.Fprintf(&scenarios, "  %-10s %s\n", s.Name, s.Does)
	}
	c := loadCommand("")
	c.Use = "run SCENARIO|FILE.yaml [flags]"
	c.Short = "Put load on a running server, and check every message"
	c.Long = `Opens many STOMP-over-WebSocket connections from this process, pushes messages, and checks every
message at every connection: lost, repeated, out of order, corrupted, delivered to the wrong one.
Exit status: 0 nothing was wrong, 1 something was wrong, 2 nothing was run: a wrong command line or file,
or a shortage on this host.

Scenarios:

` + scenarios.String() + `
A YAML file has the same keys as the flags, with _ for -, and "scenario". Flags win over the file.
Connections and pushes are paced open loop; latency counts from the time at which a message was due.
Before it starts it checks descriptors, source ports and memory, and says how to end a shortage; then it
tries the API key and one connection to each server, and runs nothing if those are refused.`
	c.Example = runExamples
	c.Args = func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("found %d arguments, allowed: one scenario, as in broadcast, or one YAML file", len(args))
		}
		return nil
	}
	return c
}

// millionCommand is an alias of "run million".
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

// loadCommand runs scenario, or if that is empty the one that its argument names.
func loadCommand(scenario string) *cobra.Command {
	var asJSON, html, prometheus string
	var quiet, check bool
	var on generators
	spec, flags := load.NewSpec()
	c := &cobra.Command{
		RunE: func(cmd *cobra.Command, args []string) error {
			spec.Scenario = scenario
			if scenario == "" {
				if err := choose(spec, cmd.Flags(), args[0]); err != nil {
					return notBegun{err}
				}
			}
			thresholds, err := result.ParseThresholds(spec.Thresholds)
			if err != nil {
				return notBegun{err}
			}
			if check {
				if err := on.check(cmd.Context(), spec); err != nil {
					return notBegun{err}
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "this host has what %d connections need\n", spec.Connections)
				return err
			}
			if err := writable(asJSON, html); err != nil {
				return notBegun{err}
			}
			keepSmall()
			out := load.Output{Writer: os.Stderr, Terminal: isTerminal(os.Stderr), Settings: load.Settings(flags)}
			if quiet {
				out.Writer = nil
			}
			if prometheus != "" {
				if len(on.agents) > 0 {
					return notBegun{errors.New("--prometheus shows what this process does, and the agents make the load: leave one of them out")}
				}
				e, err := metrics.Listen(prometheus)
				if err != nil {
					return notBegun{fmt.Errorf("--prometheus: %w", err)}
				}
				defer e.Close()
				out.Each = e.Second
			}
			r, err := on.run(cmd.Context(), spec, out)
			if r == nil {
				return notBegun{err}
			}
			if err := r.Hold(thresholds); err != nil {
				return err
			}
			shown := show(cmd.OutOrStdout(), r, asJSON)
			if html != "" {
				shown = errors.Join(shown, page.WriteFile(html, page.Run{Label: r.Scenario, Result: r}))
			}
			if shown == nil && !r.Verdict.Good {
				return errors.New("the run did not pass: see above")
			}
			return shown
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.AddFlagSet(flags)
	f.StringVar(&asJSON, "json", "", "write the result to this file as JSON; - for standard output instead of the summary")
	f.StringVar(&html, "html", "", "write a report with charts to this file")
	f.StringVar(&prometheus, "prometheus", "", "serve this generator's metrics at this address while it runs, as in 127.0.0.1:9090: /metrics")
	on.add(f)
	f.BoolVar(&check, "check", false, "only check whether this host has what the run needs")
	f.BoolVarP(&quiet, "quiet", "q", false, "show no progress")
	return c
}

// gcPercent keeps the heap small next to the memory of the connections, which make little garbage once they are open.
const gcPercent = 50

func keepSmall() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// choose sets the scenario, which arg names or which is in the file arg.
func choose(s *load.Spec, f *pflag.FlagSet, arg string) (err error) {
	s.Scenario = arg
	if !strings.HasSuffix(arg, ".yaml") && !strings.HasSuffix(arg, ".yml") {
		return nil
	}
	if s.Scenario, err = load.ReadFile(f, arg); err == nil && s.Scenario == "" {
		err = fmt.Errorf("%s: scenario is missing", arg)
	}
	return err
}

// show writes the summary, and JSON if requested.
func show(w io.Writer, r *result.Result, path string) error {
	if path == "-" {
		return encode(w, r)
	}
	if err := load.WriteSummary(w, r); err != nil || path == "" {
		return err
	}
	return writeJSON(path, r)
}

// writable checks that the files for a run's results can be written, so that a mistake shows before the run. "" and -
// name no file.
func writable(paths ...string) error {
	for _, path := range paths {
		if path == "" || path == "-" {
			continue
		}
		_, missing := os.Stat(path)
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
		if err != nil {
			return err
		}
		err = f.Close()
		if missing != nil {
			err = errors.Join(err, os.Remove(path)) // created again when there is something to write
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func writeJSON(path string, r *result.Result) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(encode(f, r), f.Close())
}

func encode(w io.Writer, r *result.Result) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(r)
}
