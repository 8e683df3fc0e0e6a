package directory

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// crowd is nodes whose beats many views hear, and clients that ask any of the views.
type crowd struct {
	t     *testing.T
	r     *rand.Rand
	views []*View
	count []int64 // of each node
	came  []int64 // in the last second
	index map[string]int
	now   time.Time
	sent  int64
}

func newCrowd(t *testing.T, views int, count ...int64) *crowd {
	c := &crowd{t: t, r: rand.New(rand.NewPCG(1, 2)), count: count, came: make([]int64, len(count)), index: map[string]int{}, now: epoch}
	for i := range views {
		c.views = append(c.views, New(Options{Key: testKey, Seed: uint64(i)}))
	}
	for i := range count {
		c.index[fmt.Sprintf("wss://n%d/ws", i)] = i
	}
	c.second(0)
	return c
}

// second has so many clients come, in tenths of a second, and then every node beat.
func (c *crowd) second(clients int) {
	c.t.Helper()
	clear(c.came)
	for tenth := range 10 {
		c.now = c.now.Add(time.Second / 10)
		for range (clients + tenth) / 10 {
			body, ok := c.views[c.r.IntN(len(c.views))].Answer(nil, 1, c.now)
			url, _, _ := strings.Cut(strings.TrimPrefix(string(body), `{"endpoints":["`), `"`)
			i, known := c.index[url]
			if !ok || !known {
				c.t.Fatalf("answer %s", body)
			}
			c.count[i]++
			c.came[i]++
		}
	}
	c.sent += 1000
	for i := range c.count {
		id := fmt.Sprint("n", i)
		b := Beat{Instance: "i", State: Up, First: int64(i), Sent: c.sent, Ready: true, At: c.now.UnixMilli(), Status: Status{
			URLs: []string{fmt.Sprintf("wss://n%d/ws", i)}, Capacity: 1_000_000, Connections: c.count[i], Opening: c.came[i],
		}}
		value := Encode(b, id, testKey)
		for _, v := range c.views {
			v.Hear(id, value, true, c.now)
		}
	}
	for _, v := range c.views {
		v.Proven(c.now)
	}
}

func (c *crowd) share() float64 {
	sum := int64(0)
	for _, n := range c.count {
		sum += n
	}
	return float64(sum) / float64(len(c.count))
}

func many(n int, each int64) []int64 {
	all := make([]int64, n)
	for i := range all {
		all[i] = each
	}
	return all
}

// A node that was added gets most of the clients that come, among however many it is, until it has about its share.
func TestLackingFills(t *testing.T) {
	for _, views := range []int{1, 3, 50} {
		c := newCrowd(t, views, append(many(50, 1500), 0)...)
		for range 20 {
			c.second(200)
		}
		if got, share := float64(c.count[50]), c.share(); got < 0.8*share || got > 1.05*share {
			t.Errorf("%d views: after 4,000 clients the new node has %.0f of %.0f", views, got, share)
		}
	}
}

// When very many come in one second, whom nobody expected, they do not all go to the one node that has few.
func TestNoStampede(t *testing.T) {
	const clients, nodes = 50_000, 50
	for _, views := range []int{1, nodes} {
		c := newCrowd(t, views, append(many(nodes, 60_000), 0)...)
		c.second(clients)
		// Of two random nodes it is one for a twenty-fifth of them, and takes as many again on purpose as a node may accept.
		for range 3 {
			if most := int64(2*clients/nodes + 2*FillRate); c.came[nodes] > most {
				t.Errorf("%d views: of %d clients of a second %d came to the node that has few", views, clients, c.came[nodes])
			}
			c.second(clients)
		}
	}
}

// Nodes that lack a little are filled without being passed by, whichever view clients ask.
func TestLackingDoesNotOvershoot(t *testing.T) {
	for _, views := range []int{1, 50} {
		for _, rate := range []int{500, 5000} {
			c := newCrowd(t, views, append(many(49, 3000), 2700)...)
			for range 10 {
				c.second(rate)
				if got, share := float64(c.count[49]), c.share(); got > 1.1*share {
					t.Errorf("%d views, %d a second: it has %.0f, its share is %.0f", views, rate, got, share)
				}
			}
		}
	}
}

// Nodes that are as full as each other are chosen as before: by their room alone.
func TestNobodyLacks(t *testing.T) {
	c := newCrowd(t, 1, 1000, 1040, 960, 1000)
	v := c.views[0]
	v.weigh(c.now)
	for i, e := range v.choice.tables[good].nodes {
		if e.favour > 0 || i > 0 && v.choice.tables[good].upTo[i]-v.choice.tables[good].upTo[i-1] != int64(e.free()) {
			t.Errorf("%s is favoured until %d", e.id, e.favour)
		}
	}
}
