package shard

import (
	"os"
	"regexp"
	"slices"
	"sync"
	"testing"
)

// visits are the changes of subscriptions' states in a simulation: not windowed and windowed, from, to.
type visits [2][resuming + 1][resuming + 1]bool

// stateChanges is the table of the changes in the comment of state.
var stateChanges = sync.OnceValue(func() (table [resuming + 1][resuming + 1]bool) {
	source, err := os.ReadFile("state.go")
	if err != nil {
		panic(err)
	}
	names := map[string]state{}
	for s := none; s <= resuming; s++ {
		names[s.String()] = s
	}
	for _, row := range regexp.MustCompile(`(?m)^//\t([a-z]+) +([a-z]+) {2,}\S`).FindAllStringSubmatch(string(source), -1) {
		from, known := names[row[1]]
		to, knows := names[row[2]]
		if known && knows {
			table[from][to] = true
		}
	}
	return table
})

// entering notes a change of a subscription's state, and whether the table has it.
func (sh *simShard) entering(b *sub, to state) {
	windowed := 0
	if b.windowed() {
		windowed = 1
	}
	sh.w.visits[windowed][b.state][to] = true
	if !stateChanges()[b.state][to] {
		sh.w.failf("%v: subscription %q goes from %v to %v", sh, b.id.key.id, b.state, to)
	}
}

// TestSimVisitsStates checks that seeds reach each change of a subscription's state, windowed and not: the simulation tests no
// change that no seed reaches.
func TestSimVisitsStates(t *testing.T) {
	const seeds = 400
	var rows []([2]state)
	for from, tos := range stateChanges() {
		for to, there := range tos {
			if there {
				rows = append(rows, [2]state{state(from), state(to)})
			}
		}
	}
	if len(rows) != 13 {
		t.Fatalf("the comment of state has %d changes: %v", len(rows), rows)
	}
	var all visits
	missing := func(row [2]state) bool { return !all[0][row[0]][row[1]] || !all[1][row[0]][row[1]] }
	order := []uint64{33, 123, 202} // they reach all of them, which saves most of the time; after a change of the operations others will
	for seed := range uint64(seeds) {
		order = append(order, seed+1)
	}
	played := 0
	for ; played < len(order) && slices.ContainsFunc(rows, missing); played++ {
		out := generate(order[played]).play()
		for windowed, froms := range out.visits {
			for from, tos := range froms {
				for to, visited := range tos {
					all[windowed][from][to] = all[windowed][from][to] || visited
				}
			}
		}
	}
	t.Logf("%d seeds", played)
	for windowed, of := range []string{"not windowed", "windowed"} {
		for _, row := range rows {
			if !all[windowed][row[0]][row[1]] {
				t.Errorf("%d seeds saw no subscription that is %s go from %v to %v", seeds, of, row[0], row[1])
			}
		}
	}
}
