package main

import (
	"fmt"
	"testing"
	"time"

	"stentor/engine/admin"
	"stentor/engine/directory"
)

// TestLevellingManyNodes plays a rebalance after a node was added to a few nodes and to many: what is shed goes where the
// directory sends it, and beats tell of it once a second. It ends level, and moves hardly more than what the new node lacks.
func TestLevellingManyNodes(t *testing.T) {
	for _, old := range []int{3, 20, 100} {
		t.Run(fmt.Sprint(old, " and one"), func(t *testing.T) { playLevelling(t, old) })
	}
}

func playLevelling(t *testing.T, old int) {
	const each = 3000
	key := []byte("a-key-of-the-cluster-that-is-long-enough")
	var views []*directory.View // of registries
	for i := range 3 {
		views = append(views, directory.New(directory.Options{Key: key, Seed: uint64(i)}))
	}
	came := make([]int64, old+1)
	now := time.Unix(1e9, 0)
	count := make([]int64, old+1)
	byURL := map[string]int{}
	for i := range count {
		byURL[fmt.Sprintf("wss://n%d", i)] = i
		if i < old {
			count[i] = each
		}
	}
	sent := int64(0)
	beat := func() {
		now, sent = now.Add(time.Second), sent+1000
		for i := range count {
			b := directory.Beat{Instance: "i", State: directory.Up, First: int64(i), Sent: sent, Ready: true, At: now.UnixMilli(),
				Status: directory.Status{URLs: []string{fmt.Sprintf("wss://n%d", i)}, Capacity: 1_000_000, Connections: count[i], Opening: came[i]}}
			came[i] = 0
			id := fmt.Sprint("n", i)
			for _, v := range views {
				if _, _, why := v.Hear(id, directory.Encode(b, id, key), true, now); why != directory.Followed {
					t.Fatal(why)
				}
			}
		}
		for _, v := range views {
			v.Proven(now)
		}
	}
	beat()
	l := &levelling{threshold: 0.1, rate: 1000}
	moved, back := 0, 0
	need := each * old / (old + 1)
	for round := 0; ; round++ {
		if round == 60 {
			t.Fatalf("not level after %d rounds: %d moved, the new node has %d of %d", round, moved, count[old], need)
		}
		var nodes []admin.NodeInfo
		for i := range count {
			nodes = append(nodes, levelNode(fmt.Sprint("n", i), count[i], 1_000_000))
		}
		all, done := l.next(nodes)
		if node := l.futile(all); node != "" {
			t.Fatalf("after %d rounds: clients come back to %s; %d moved, the new node has %d of %d", round, node, moved, count[old], need)
		}
		if done {
			break
		}
		for i := range all {
			count[i] -= int64(all[i].Shed)
			for range all[i].Shed {
				body, ok := views[moved%len(views)].Answer(nil, 1, now)
				var url string
				if _, err := fmt.Sscanf(string(body), `{"endpoints":[%q]`, &url); !ok || err != nil {
					t.Fatal(string(body), err)
				}
				to := byURL[url]
				came[to]++
				if count[to]++; to == i {
					back++
				}
				moved++
			}
		}
		l.did(all)
		beat()
	}
	t.Logf("%d moved, %d of them back to where they were; the new node has %d, its share is %d", moved, back, count[old], need)
	if moved > need*6/5 {
		t.Errorf("%d moved, and the new node lacked %d", moved, need)
	}
}
