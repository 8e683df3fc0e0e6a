package cluster

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"stentor/bench/gen/client"
	"stentor/bench/machine/server"
	"stentor/bench/suite/report"
)

const (
	// beatInterval is what nodes and clients agree on by default. stomp.js looks once in an interval whether the server has been
	// silent for two.
	beatInterval  = 10 * time.Second
	beatTolerance = 3 * beatInterval
	// nodeLease is after which silence a node is named last.
	nodeLease = 5 * time.Second
	// connectPatience is how long a client waits for a connection.
	connectPatience = 10 * time.Second
)

// silent is kill with a node whose host falls silent: packets get lost, and neither its clients nor Kafka are told. The node is
// in a network namespace whose cable is cut.
func (b *bench) silent(ctx context.Context) ([]report.Result, error) {
	skip := func(why error) ([]report.Result, error) {
		b.Report.Notes = append(b.Report.Notes, "silent: not measured: "+why.Error())
		return nil, nil
	}
	for _, broker := range b.Brokers {
		if host, _, err := net.SplitHostPort(broker); err != nil || !strings.HasPrefix(host, "127.") {
			return skip(fmt.Errorf("the broker %s is not on loopback, which is all that a namespace is connected to", broker))
		}
	}
	k := &losses{name: "silent", back: "from the silence of a host until the last client is back", most: (beatTolerance + nodeLease).Seconds()}
	k.details = []report.Detail{report.With("heart-beat tolerance", "s", beatTolerance.Seconds()), report.With("lease", "s", nodeLease.Seconds())}
	for i := range b.plan.silences {
		host, err := newIsland()
		if err != nil {
			return skip(err)
		}
		if err := b.fallSilent(ctx, host, i, k); err != nil {
			return nil, err
		}
	}
	return k.results(), nil
}

func (b *bench) fallSilent(ctx context.Context, host *island, i int, k *losses) error {
	defer host.close()
	for _, broker := range b.Brokers {
		if err := host.reach(broker); err != nil {
			return err
		}
	}
	with := setup{before: func(i int, c *server.Config) {
		if c.Host = host.near; i == victim {
			c.Host, c.Within = host.far, host.do
		}
	}}
	beats := func(o *client.Options) {
		o.Sources, o.Heartbeat, o.GiveUp, o.OpenTimeout = host.shores, beatInterval, true, connectPatience
	}
	return b.withNodes(ctx, fmt.Sprint("silent-", i), with, func(ctx context.Context, n *nodes) error {
		step := fmt.Sprintf("silent %d/%d", i+1, b.plan.silences)
		lost := n.list()[victim]
		err := b.lose(ctx, n, step, k, beats, func(s *server.Server) error {
			n.end(s, func() {}) // it goes on running
			return host.silence()
		})
		n.end(lost, lost.Kill) // it can no longer end in order
		return err
	})
}
