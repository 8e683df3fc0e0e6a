package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"stentor/engine/shard"
	"stentor/stomp"
)

// TestMerge merges the listings of loops that give a few at a time.
func TestMerge(t *testing.T) {
	lists := [][]string{{"a", "b", "c", "d", "x"}, {}, {"b", "d", "e"}, {"a", "x", "y", "z"}}
	want := map[string]int{}
	var names []string
	for _, list := range lists {
		for _, name := range list {
			if want[name]++; want[name] == 1 {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	for limit := 1; limit < 12; limit++ {
		m := merge{}
		asked := 0
		for _, list := range lists {
			m.feeds = append(m.feeds, feed{more: true, next: func(after string, n int) (page []shard.DestinationInfo, more bool, err error) {
				asked++
				for _, name := range list {
					if name <= after {
						continue
					}
					if len(page) == min(n, 2) {
						return page, true, nil
					}
					page = append(page, shard.DestinationInfo{Destination: name, Subscriptions: 1})
				}
				return page, false, nil
			}})
		}
		var got []string
		for more := true; more; {
			var page []shard.DestinationInfo
			var err error
			if page, more, err = m.page(limit); err != nil || len(page) > limit {
				t.Fatalf("%d at once, %v", len(page), err)
			}
			for _, one := range page {
				if one.Subscriptions != want[one.Destination] {
					t.Errorf("%+v, want %d", one, want[one.Destination])
				}
				got = append(got, one.Destination)
			}
		}
		if !slices.Equal(got, names) {
			t.Errorf("limit %d: %v, want %v", limit, got, names)
		}
		if limit == 1 && asked > 20 {
			t.Errorf("the loops were asked %d times", asked)
		}
	}
}

// TestListings lists sessions and destinations over several loops, page by page, and counts without asking them.
func TestListings(t *testing.T) {
	n, stop := startNode(t, nil)
	defer stop()
	const clients = 20
	for i := range clients {
		c := n.dial(t)
		c.connect(t)
		c.send(t, stomp.Subscribe, "destination", "/topic/shop/all", "id", "1")
		c.send(t, stomp.Subscribe, "destination", fmt.Sprintf("/topic/shop/%02d", i), "id", "2", "receipt", "r")
		c.until(t, "RECEIPT")
	}
	ctx := t.Context()
	if got, _ := n.Counts("shop"); got.Sessions != clients || got.Subscriptions != 2*clients {
		t.Errorf("%+v", got)
	}
	seen := map[string]bool{}
	q := shard.SessionQuery{Project: "shop", Limit: 3}
	for first := true; first || q.After != ""; first = false {
		count := 0
		next, err := n.Sessions(ctx, q, func(page []shard.SessionInfo) error {
			for _, s := range page {
				if seen[s.ID] || len(s.Subscriptions) != 2 {
					t.Errorf("%+v", s)
				}
				seen[s.ID] = true
				count++
			}
			return nil
		})
		if err != nil || count > 3 {
			t.Fatalf("a page of %d, %v", count, err)
		}
		q.After = next
	}
	if len(seen) != clients {
		t.Errorf("%d sessions", len(seen))
	}
	for _, cursor := range []string{"x", "9.1.1.1", "-1.1.1.1", "0.1", "0.1.1.1x"} {
		if _, err := n.Sessions(ctx, shard.SessionQuery{Project: "shop", After: cursor, Limit: 1}, nil); !errors.Is(err, shard.ErrCursor) {
			t.Errorf("%q: %v", cursor, err)
		}
	}
	var names []string
	d := shard.DestinationQuery{Project: "shop", Limit: 4}
	for more := true; more; {
		var err error
		if more, err = n.Destinations(ctx, d, func(page []shard.DestinationInfo) error {
			for _, one := range page {
				if want := map[bool]int{true: clients, false: 1}[one.Destination == "/topic/shop/all"]; one.Subscriptions != want {
					t.Errorf("%+v", one)
				}
				names = append(names, one.Destination)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		d.After = names[len(names)-1]
	}
	if len(names) != clients+1 || !slices.IsSorted(names) {
		t.Errorf("%q", names)
	}
	stopped := errors.New("enough")
	if _, err := n.Destinations(ctx, shard.DestinationQuery{Project: "shop", Limit: -1}, func([]shard.DestinationInfo) error { return stopped }); !errors.Is(err, stopped) {
		t.Errorf("%v", err)
	}
	var gone string
	for id := range seen {
		gone = id
	}
	if ok, err := n.Kick(ctx, "shop", gone, ""); !ok || err != nil {
		t.Errorf("%t, %v", ok, err)
	}
	if ok, err := n.Kick(ctx, "shop", gone, ""); ok || err != nil {
		t.Errorf("%t, %v", ok, err)
	}
}

// TestAbandonedSteps: who gives up waiting for a loop leaves one step there at most, however often.
func TestAbandonedSteps(t *testing.T) {
	n, stop := startNode(t, nil)
	defer stop()
	s := n.shards[0]
	held, release := make(chan bool), make(chan bool)
	s.Post(func() { held <- true; <-release })
	<-held
	ran := 0
	for range 50 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		if _, err := step(ctx, n.project("shop"), s, func(*shard.Shard) bool { ran++; return true }); err == nil {
			t.Error("a loop that is held answers")
		}
		cancel()
	}
	if waiting := s.Asked(); waiting != 1 {
		t.Errorf("%d steps wait", waiting)
	}
	close(release)
	if ok, err := step(t.Context(), n.project("shop"), s, func(*shard.Shard) bool { return ran == 0 }); !ok || err != nil {
		t.Errorf("%d abandoned steps ran, %v", ran, err)
	}
}
