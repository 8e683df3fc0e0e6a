package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"stentor/tuning"
)

type doctorFlags struct {
	want   tuning.Want
	pid    int
	root   string
	tls    bool
	asJSON bool
}

func newDoctorCmd() *cobra.Command {
	var f doctorFlags
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check whether this host can hold a number of connections",
		Long: `Compares the host with what a number of connections needs: memory, kernel settings, limits of the process and
of the systemd unit. For each setting it shows the current value, the required one and, where they differ, the reason,
the consequences, and how to fix it. It changes nothing; tuning/apply.sh does, and tuning/revert.sh restores it.
"short" marks what makes so many connections impossible; what is too low, too high, unset or differs makes them slow
or expensive.

  stentor doctor --connections 1000000
  stentor doctor --connections 1000000 --pid $(pidof stentor)    # the limits of a running node
  stentor doctor --connections 1000000 --json | jq '.settings[] | select(.mend) | .mend'

Without --pid it checks the limits of this shell, and the files of stentor.service.
Exit codes: 0 all is well, 1 something should be changed, 2 the command line is wrong.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.examine(cmd.OutOrStdout()) },
	}
	flags := cmd.Flags()
	flags.Int64Var(&f.want.Connections, "connections", 0, "number of connections that the host should hold")
	flags.BoolVar(&f.want.Outgoing, "outgoing", false, "the host also opens connections: a proxy or stentor-bench runs on it")
	flags.BoolVar(&f.tls, "tls", false, "the node itself speaks TLS with its clients: fewer connections fit into the memory")
	flags.IntVar(&f.pid, "pid", 0, "check the limits and the environment of this process")
	flags.StringVar(&f.root, "root", "/", "read proc, sys and etc below this directory")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON")
	return cmd
}

// examination is what `doctor --json` prints.
type examination struct {
	OK          bool             `json:"ok"`
	Connections int64            `json:"connections"`
	Fit         int64            `json:"fit"`           // connections for which the memory suffices
	Available   int64            `json:"available_kib"` // host memory that control groups allow
	Host        tuning.Host      `json:"host"`
	Settings    []tuning.Finding `json:"settings"`
}

func (f *doctorFlags) examine(out io.Writer) error {
	if f.want.Connections == 0 {
		return usagef("--connections is missing, as in --connections 100000")
	}
	if err := f.want.Check(); err != nil {
		return usagef("--connections: found %d, allowed: 1 to %d", f.want.Connections, tuning.MaxConnections)
	}
	if f.pid < 0 {
		return usagef("--pid: found %d, allowed: the number of a process", f.pid)
	}
	if f.pid > 0 {
		if _, err := os.Stat(filepath.Join(f.root, "proc", strconv.Itoa(f.pid))); err != nil {
			return fmt.Errorf("there is no process %d", f.pid)
		}
	}
	host, err := tuning.Inspect(f.root)
	if err != nil {
		return err
	}
	available := tuning.Available(f.root, f.pid, host)
	e := examination{Connections: f.want.Connections, Fit: f.want.FitWith(available, f.more()), Available: available, Host: host, Settings: tuning.Check(f.root, f.pid, f.want, host)}
	counts := map[tuning.Verdict]int{}
	for i := range e.Settings {
		counts[e.Settings[i].Verdict]++
	}
	wrong := len(e.Settings) - counts[tuning.OK] - counts[tuning.Unknown]
	e.OK = wrong == 0
	if f.asJSON {
		err = json.NewEncoder(out).Encode(e)
	} else {
		err = e.print(out)
	}
	if wrong > 0 {
		var words []string
		for _, v := range []tuning.Verdict{tuning.Short, tuning.Low, tuning.High, tuning.Differs, tuning.Unset} {
			if counts[v] > 0 {
				words = append(words, fmt.Sprintf("%d %s", counts[v], v))
			}
		}
		err = errors.Join(err, fmt.Errorf("%d of %d settings are wrong for %d connections: %s", wrong, len(e.Settings), f.want.Connections, strings.Join(words, ", ")))
	}
	return err
}

// more is what a connection needs in addition, in KiB.
func (f *doctorFlags) more() int64 {
	if f.tls {
		return tuning.TLSKiB
	}
	return 0
}

// print writes a line for each setting, and the reasons for those that are not OK.
func (e *examination) print(out io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d connections on %d MiB and %d cores; the memory holds %d\n\n", e.Connections, e.Available>>10, e.Host.Cores, e.Fit)
	for i := range e.Settings {
		s := &e.Settings[i]
		is, should := shown(s)
		if s.Verdict == tuning.OK {
			fmt.Fprintf(&b, "ok       %s: %s\n", s.Name, is)
			continue
		}
		fmt.Fprintf(&b, "%-8s %s: %s, should be %s\n", s.Verdict, s.Name, is, should)
		for _, line := range [][2]string{{"set in", s.Where}, {"why", s.Why}, {"without", s.Below}, {"source", s.Source}, {"mend", s.Mend}} {
			if line[1] != "" {
				fmt.Fprintf(&b, "         %-8s %s\n", line[0]+":", line[1])
			}
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// shown returns what a setting is and what it should be, for people: memory is in MiB, and all else as it is set.
func shown(s *tuning.Finding) (is, should string) {
	is, should = s.Is, s.Should()
	if is == "" {
		is = "not set, or not readable"
	}
	if s.Kind != tuning.Memory {
		return is, should
	}
	have, err := strconv.ParseInt(s.Is, 10, 64)
	need, bad := strconv.ParseInt(s.Value, 10, 64)
	if err != nil || bad != nil {
		return is, should
	}
	return fmt.Sprintf("%d MiB", have>>10), fmt.Sprintf("at least %d MiB", (need+1<<10-1)>>10)
}

// leastConnections are allowed whatever the memory: they take 90 MiB, even where the 512 MiB that Fit reserves do not exist.
const leastConnections = 10000

// connectionsThatFit returns the default of limits.connections: as many as fit into the memory that this process may
// use. The engine applies the limit of descriptors.
// more is how many KiB a connection needs in addition, for TLS.
func connectionsThatFit(root string, more int64) int {
	host, err := tuning.Inspect(root)
	if err != nil {
		return tuning.MaxConnections // the host cannot be examined
	}
	return int(max(leastConnections, tuning.Want{}.FitWith(tuning.Available(root, 0, host), more)))
}

// warnOfHost logs one line at the start of a node if fewer connections than configured may fit. The engine itself logs
// what the limit of descriptors means. 0 stands for as many connections as fit, which needs no warning.
func warnOfHost(root string, connections int64, log *slog.Logger) {
	if connections == 0 {
		return
	}
	host, err := tuning.Inspect(root)
	if err != nil {
		return // the host cannot be examined; the node runs anyway
	}
	var short []string
	for _, f := range tuning.Check(root, 0, tuning.Want{Connections: connections}, host) {
		if f.Limits && f.Verdict == tuning.Short && f.Kind != tuning.Rlimit && f.Kind != tuning.Systemd {
			short = append(short, f.Name)
		}
	}
	if len(short) > 0 {
		log.Warn("this host is not set up for so many connections", "limits.connections", connections, "short", strings.Join(short, ","),
			"see", fmt.Sprintf("stentor doctor --connections %d", connections))
	}
}
