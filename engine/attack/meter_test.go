//go:build attacks

package attack

import (
	"math"
	"slices"
	"testing"
	"time"

	"stentor/engine/testkit/proc"
)

// A meter measures the cores that node and attacker use.
type meter struct {
	node, other int // processes, 0 for none
	start       time.Time
	used        [2]time.Duration
}

func startMeter(t *testing.T, n *node, other *child) *meter {
	m := &meter{node: n.pid(), start: time.Now()}
	if other != nil {
		m.other = other.cmd.Process.Pid
	}
	m.used = m.now(t)
	return m
}

func (m *meter) now(t *testing.T) (used [2]time.Duration) {
	t.Helper()
	for i, pid := range []int{m.node, m.other} {
		if pid == 0 {
			continue
		}
		var err error
		if used[i], err = proc.CPU(pid); err != nil {
			t.Fatal(err)
		}
	}
	return used
}

func (m *meter) read(t *testing.T) (r round) {
	t.Helper()
	used, seconds := m.now(t), time.Since(m.start).Seconds()
	r.NodeCores = (used[0] - m.used[0]).Seconds() / seconds
	r.Cores = (used[1] - m.used[1]).Seconds() / seconds
	return r
}

// median of what f finds in rounds: of two it is the larger, since a third one decided nothing.
func median(rounds []round, f func(round) float64) float64 {
	if len(rounds) == 0 {
		return math.NaN()
	}
	all := make([]float64, len(rounds))
	for i, r := range rounds {
		all[i] = f(r)
	}
	slices.Sort(all)
	return all[len(all)/2]
}
