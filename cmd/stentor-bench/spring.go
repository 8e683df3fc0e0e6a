package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"time"

	"github.com/spf13/cobra"

	"stentor/bench/suite/spring"
)

func springCommand() *cobra.Command {
	var asJSON bool
	o := spring.Options{Progress: os.Stderr, Terminal: isTerminal(os.Stderr)}
	c := &cobra.Command{
		Use:   "spring",
		Short: "Put the same load on a node and on a Spring Boot simple broker",
		Long: `Put the same load on a Stentor node and on a Spring Boot application with the simple broker,
one after the other, and show what each held, took and lost.

The application is built by "make bench-spring", which then runs this. Both servers are
started and ended by this command, on free loopback ports, and warmed up. The load is
that of "stentor-bench run broadcast". The results (JSON) go to --out, and for each load a
page that shows both servers. It needs an idle machine, and one
descriptor per connection (ulimit -n).`,
		Example: `  stentor-bench spring --jar .cache/spring/push-1.jar
  stentor-bench spring --jar .cache/spring/push-1.jar --connections 2000 --deliveries 4000,20000 --duration 1m`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			self, err := os.Executable()
			if err != nil {
				return err
			}
			o.Generator = func(flags ...string) *exec.Cmd {
				return exec.Command(self, append([]string{"run", "broadcast"}, flags...)...)
			}
			r, err := spring.Run(cmd.Context(), o)
			if len(r.Figures) == 0 {
				return err
			}
			w := cmd.OutOrStdout()
			var shown error
			if asJSON {
				e := json.NewEncoder(w)
				e.SetIndent("", "  ")
				shown = e.Encode(r)
			} else {
				shown = r.WriteTable(w)
			}
			if err == nil {
				err = shown
			}
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&o.Stentor, "stentor", "bin/stentor", "the server's binary")
	f.StringVar(&o.Jar, "jar", ".cache/spring/push-1.jar", "the Spring application")
	f.StringVar(&o.Java, "java", "java", "the command that runs it")
	f.IntSliceVar(&o.Connections, "connections", []int{5000, 10000}, "connections of each round")
	f.IntSliceVar(&o.Deliveries, "deliveries", []int{10000, 50000}, "messages delivered a second, all connections together; one run for each in every round")
	f.DurationVar(&o.Duration, "duration", 15*time.Second, "time of pushing in each run")
	f.StringVar(&o.Out, "out", "spring", "folder for the results")
	f.BoolVar(&asJSON, "json", false, "print the figures as JSON")
	return c
}
