package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"stentor/engine/admin"
)

type rebalanceFlags struct {
	apiFlags
	threshold, rate string
	minAge          time.Duration
	dryRun          bool
	every           time.Duration // a round
}

func newRebalanceCmd() *cobra.Command {
	f := rebalanceFlags{every: time.Second}
	cmd := &cobra.Command{
		Use:   "rebalance",
		Short: "Have full nodes send clients to emptier ones",
		Long: `Has nodes that hold more than their share of the clients send some away, paced, so that they come to nodes that hold
less, with nothing lost. The share of a node is by its capacity. Run it after a node was added.

  stentor rebalance --key ADMIN-KEY --dry-run
  stentor rebalance --key ADMIN-KEY --rate 500/s

It ends when each node is within --threshold of its share; when clients come back to the node that sent them away, as
those do that ask no registry; or when no session is left that is older than --min-age, which also keeps clients from
being moved twice. It says which; the exit code is 0 for the first. Ctrl-C ends it, and the nodes stop within a
second. --json prints an object a second. It needs an admin key.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := f.run(cmd.Context(), cmd.OutOrStdout())
			return f.finish(cmd.OutOrStdout(), err)
		},
	}
	f.addWithoutProject(cmd)
	cmd.Flags().StringVar(&f.threshold, "threshold", "10%", "how far a node may be from its share")
	cmd.Flags().StringVar(&f.rate, "rate", "1000/s", "how many clients to send away in a second, of all nodes together")
	cmd.Flags().DurationVar(&f.minAge, "min-age", 10*time.Minute, "send no client away whose session is younger")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "only say what would be done")
	return cmd
}

func (f *rebalanceFlags) levelling() (*levelling, error) {
	percent, err := strconv.ParseFloat(strings.TrimSuffix(f.threshold, "%"), 64)
	if err != nil || !strings.HasSuffix(f.threshold, "%") || !(percent >= 1 && percent <= 100) {
		return nil, usagef("--threshold: found %q, allowed: 1%% to 100%%", f.threshold)
	}
	rate, err := strconv.Atoi(strings.TrimSuffix(f.rate, "/s"))
	if err != nil || !strings.HasSuffix(f.rate, "/s") || rate < 1 || rate > 100_000 {
		return nil, usagef("--rate: found %q, allowed: 1/s to 100000/s", f.rate)
	}
	if f.minAge < 0 || f.minAge > 24*time.Hour {
		return nil, usagef("--min-age: found %s, allowed: 0s to 24h", f.minAge)
	}
	return &levelling{threshold: percent / 100, rate: rate}, nil
}

// rebalanced is a line of --json: the nodes, and in the last one why it ended.
type rebalanced struct {
	Nodes []load `json:"nodes"`
	Ended string `json:"ended,omitempty"`
}

func (f *rebalanceFlags) run(ctx context.Context, out io.Writer) error {
	l, err := f.levelling()
	if err != nil {
		return err
	}
	for {
		began := time.Now()
		nodes, err := f.fresh(ctx)
		if errors.Is(err, errInterrupted) {
			return f.show(out, nil, "interrupted")
		}
		if err != nil {
			return err
		}
		all, done := l.next(nodes)
		switch back := l.futile(all); {
		case len(all) < 2:
			return errors.New("there are not two nodes with cluster.key that clients can be sent to: stentor nodes lists them")
		case done:
			return f.show(out, all, f.settled(all, l))
		case back != "":
			return f.fail(out, all, "clients come back to "+back+": they do not ask where to connect")
		case f.dryRun:
			excess(all)
			return f.show(out, all, "nothing was done")
		}
		asked, more, err := f.shed(ctx, all)
		if errors.Is(err, errInterrupted) {
			return f.show(out, all, "interrupted")
		}
		if err != nil {
			return err
		}
		l.did(all)
		if asked && !more {
			return f.fail(out, all, "no session is left to send away that is older than "+f.minAge.String()+" and has received its pushes")
		}
		if err := f.show(out, all, ""); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(f.every - time.Since(began)):
		}
	}
}

// settled says why nothing is left to do. Of few clients one more or less can be far beyond the threshold.
func (f *rebalanceFlags) settled(all []load, l *levelling) string {
	if level(all, l.threshold, 0) {
		return "every node is within " + f.threshold + " of its share"
	}
	return "every node is as near to its share as whole clients allow"
}

// fresh has the nodes as they are now.
func (f *rebalanceFlags) fresh(ctx context.Context) ([]admin.NodeInfo, error) {
	page, _, err := f.nodes(ctx)
	if err != nil {
		return nil, err
	}
	if page.StaleMS > 0 {
		return nil, errors.New("the list of nodes cannot be read now, and the one that is known is old: try again later")
	}
	return page.Nodes, nil
}

// shed has the nodes shed what is planned, side by side, and puts what they did in its place. It tells whether any was asked, and
// whether one of them did or can do more.
func (f *rebalanceFlags) shed(ctx context.Context, all []load) (asked, more bool, err error) {
	done, errs := make([]admin.Shed, len(all)), make([]error, len(all))
	var wg sync.WaitGroup
	for i := range all {
		n := &all[i]
		if n.Shed == 0 {
			continue
		}
		asked = true
		wg.Go(func() {
			q := url.Values{"count": {strconv.Itoa(n.Shed)}, "min_age_ms": {strconv.FormatInt(f.minAge.Milliseconds(), 10)}}
			var text []byte
			if text, errs[i] = f.ask(ctx, "POST", "/v1/nodes/"+url.PathEscape(n.ID)+"/shed", q, nil); errs[i] == nil {
				errs[i] = readJSON(text, &done[i])
			}
		})
	}
	wg.Wait()
	for i := range all {
		all[i].Shed = done[i].Closed
		more = more || done[i].More || done[i].Closed > 0
	}
	return asked, more, errors.Join(errs...)
}

// fail shows the last round of a run that did not reach its end.
func (f *rebalanceFlags) fail(out io.Writer, all []load, why string) error {
	if f.asJSON {
		if err := f.show(out, all, why); err != nil {
			return err
		}
	} else if err := f.show(out, all, ""); err != nil {
		return err
	}
	return errors.New(printable(why))
}

// show prints a round.
func (f *rebalanceFlags) show(out io.Writer, all []load, ended string) error {
	if f.asJSON {
		return json.NewEncoder(out).Encode(rebalanced{all, ended})
	}
	var b strings.Builder
	for i, n := range all {
		if i > 0 {
			b.WriteString("  ")
		}
		fmt.Fprintf(&b, "%s: %d", printable(n.ID), n.Connections)
		if n.Share > 0 {
			fmt.Fprintf(&b, " (%+.1f%%)", 100*(float64(n.Connections)/n.Share-1))
		}
		if n.Shed > 0 {
			fmt.Fprintf(&b, ", -%d", n.Shed)
		}
	}
	if len(all) > 0 {
		b.WriteByte('\n')
	}
	if ended != "" {
		b.WriteString(printable(ended) + "\n")
	}
	_, err := io.WriteString(out, b.String())
	return err
}
