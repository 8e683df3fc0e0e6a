package directory

import (
	"slices"
	"strings"
	"time"
)

// Node is one node in a listing.
type Node struct {
	ID       string
	Instance string
	State    string // Up, Left or Suspect
	Ready    bool
	Late     time.Duration // in reading pushes
	Heard    time.Duration // since its last beat; below 0 if this view has not heard it
	// Sealed says that the node has the cluster's key, Handed that it is handed out to clients now.
	Sealed, Handed, Self bool
	Status
}

// Self is the id of the node that has this view, "" for a registry.
func (v *View) Self() string { return v.o.Self }

// Suspect is the state of a node whose lease has run out.
const Suspect = "suspect"

// Nodes are all nodes in order of their ids.
func (v *View) Nodes(now time.Time) []Node {
	all := v.copied(now)
	slices.SortFunc(all, func(a, b Node) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// copied is Nodes in any order. Event loops wait for the lock meanwhile.
func (v *View) copied(now time.Time) []Node {
	v.mu.Lock()
	defer v.mu.Unlock()
	all := make([]Node, 0, len(v.nodes))
	for _, e := range v.list {
		if !v.listed(e) {
			continue
		}
		n := Node{
			ID: e.id, Instance: e.beat.Instance, State: v.state(e), Ready: e.beat.Ready, Late: time.Duration(e.beat.Late) * time.Millisecond, Heard: -1,
			Sealed: e.sealed, Handed: v.tier(e) < none, Self: e.id == v.o.Self, Status: e.beat.Status,
		}
		n.URLs = slices.Clone(n.URLs)
		if !e.came.IsZero() {
			n.Heard = now.Sub(e.came)
		}
		all = append(all, n)
	}
	return all
}

func (v *View) state(e *entry) string {
	if e.beat.State == Up && e.suspect {
		return Suspect
	}
	return e.beat.State
}

// Counts are numbers for metrics.
type Counts struct {
	Ignored map[string]uint64 // beats, by reason
	Nodes   map[string]int    // by state: up, draining, suspect, left
	Handed  int               // nodes that clients may be sent to
	Choices uint64            // that were asked for
	Empty   uint64            // those without a node
}

// Counts counts beats, nodes and choices.
func (v *View) Counts() Counts {
	v.mu.Lock()
	defer v.mu.Unlock()
	c := Counts{Ignored: map[string]uint64{}, Nodes: map[string]int{Up: 0, "draining": 0, Suspect: 0, Left: 0}, Choices: v.choice.given, Empty: v.choice.empty}
	for i := TooLarge; i < reasons; i++ {
		c.Ignored[i.String()] = v.ignored[i]
	}
	for _, e := range v.list {
		if !v.listed(e) {
			continue
		}
		state := v.state(e)
		if state == Up && e.beat.Draining {
			state = "draining"
		}
		c.Nodes[state]++
		if v.tier(e) < none {
			c.Handed++
		}
	}
	return c
}

// Better returns another node that is up, ready, reads less late than d, and has said so within a time. There may be none.
func (v *View) Better(d, within time.Duration, now time.Time) (node string, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, e := range v.list {
		b := &e.beat
		if e.id != v.o.Self && b.State == Up && b.Ready && time.Duration(b.Late)*time.Millisecond < d && now.Sub(e.said) < within {
			return e.id, true
		}
	}
	return "", false
}
