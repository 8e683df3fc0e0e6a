package shard

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"

	"stentor/stomp"
)

// generator makes a schedule from a seed.
type generator struct {
	rng     *rand.Rand
	world   profile
	clients []*op // "client" operations: the clients so far
	heavy   bool
	ids     []int // by client, the number of its subscriptions
	actions []simOp
	weight  int // of all actions
	ops     []op
	ends    int // of processes
}

// generate makes the schedule of a seed.
func generate(seed uint64) *schedule {
	g := &generator{rng: rand.New(rand.NewPCG(seed, 0x5746))}
	steps := g.begin()
	g.chooseActions()
	for range steps {
		g.act()
	}
	return &schedule{g.world, g.ops}
}

func (g *generator) chance(n int) bool { return g.rng.IntN(n) == 0 }

func choose[T any](g *generator, list ...T) T { return list[g.rng.IntN(len(list))] }

func (g *generator) duration(n int64) simDuration { return simDuration(g.rng.Int64N(n)) }

// begin makes the world and its clients, and returns the number of operations.
func (g *generator) begin() (steps int) {
	r := g.rng
	g.world = profile{
		Seed:       r.Uint64() >> 32,
		Nodes:      1 + r.IntN(2),
		Shards:     1 + r.IntN(3),
		Partitions: 1 + r.IntN(3),
		Projects:   1 + r.IntN(3),
		Growth:     1 + r.IntN(2),
		Window:     r.IntN(2) * (1 + r.IntN(6)),
		Policy:     Policy(r.IntN(3)),
		Limits:     choose(g, "", "", "installed", "small"),
		Unanswered: 1 + r.IntN(20),
		WriteCost:  simDuration(6 * microsecond),
		Crowded:    g.chance(4),
		Faults:     g.chance(2),
	}
	p := &g.world
	if p.Limits == "installed" {
		p.Unanswered = 64
	}
	clients := 2 + r.IntN(10)
	g.heavy = g.chance(5)
	if g.chance(3) { // history is too small for slow clients
		p.HistoryTime = simDuration(int64(1+r.IntN(8)) * second)
		p.HistoryBytes = 40_000 + r.Int64N(300_000)
	}
	if p.Crowded {
		clients += 15
		p.Nodes = 1
		p.Shards = 1 + r.IntN(2)
	}
	if p.Crowded && g.chance(2) || g.chance(4) {
		p.WriteCost = simDuration(200 * microsecond) // rounds take several slices
	}
	for i := range clients {
		c := g.client(i + 1)
		g.clients = append(g.clients, &c)
		g.ids = append(g.ids, 0)
		g.ops = append(g.ops, c)
	}
	return 300 + r.IntN(900)
}

func (g *generator) client(number int) op {
	o := op{
		Do: "client", And: true, Client: number,
		Project: g.rng.IntN(g.world.Projects),
		Version: g.rng.IntN(3),
		Good:    g.rng.IntN(5) < 2,
		Beats:   choose(g, "", "0,0", "1000,1000", "0,1000", "1000,0", "500,3000"),
	}
	if !g.chance(4) {
		o.User = choose(g, g.world.users()...)
	}
	o.Acks = o.Good || g.chance(2)
	if g.chance(3) {
		o.SockJS = choose(g, "websocket", "http")
	}
	o.Packs = o.SockJS == "" && g.chance(3)
	if !o.Good {
		o.Mute = g.chance(8)
		if g.chance(2) {
			o.Reads = 1 + g.rng.IntN(20_000)
		}
	}
	return o
}

// chooseActions gives each seed weights of its own; some operations get none.
func (g *generator) chooseActions() {
	for _, a := range simOpList {
		switch {
		case a.weight == 0, a.rare && !g.chance(4):
			continue
		case !a.rare:
			a.weight *= choose(g, 1, 2, 4, 8)
		}
		g.actions = append(g.actions, a)
		g.weight += a.weight
	}
}

// act adds the next operation.
func (g *generator) act() {
	n := g.rng.IntN(g.weight)
	for _, a := range g.actions {
		if n -= a.weight; n >= 0 {
			continue
		}
		first := len(g.ops)
		a.make(g, a.name)
		for i := range g.ops[first:] {
			o := &g.ops[first+i]
			o.And = first+i < len(g.ops)-1
			o.Seed = g.rng.Uint32()
		}
		if first < len(g.ops) {
			g.ops[first].After = g.gap()
		}
		return
	}
}

// gap is the time before the next operation, mostly short.
func (g *generator) gap() simDuration {
	switch g.rng.IntN(20) {
	case 0:
		return g.duration(400 * millisecond)
	case 1, 2, 3:
		return g.duration(30 * millisecond)
	default:
		return g.duration(300 * microsecond)
	}
}

func (g *generator) add(o op) { g.ops = append(g.ops, o) }

func (g *generator) any() *op { return choose(g, g.clients...) }

func (g *generator) ofClient(name string) { g.add(op{Do: name, Client: g.any().Client}) }
func (g *generator) ofNode(name string)   { g.add(op{Do: name, Node: g.node()}) }

// end ends a process. Two of three write their state files first.
func (g *generator) end(name string) {
	if g.ends++; g.ends%3 > 0 {
		name = "restart"
	}
	g.ofNode(name)
}

func (g *generator) ofProject(name string) { g.add(op{Do: name, Project: g.project()}) }

func (g *generator) node() int    { return g.rng.IntN(g.world.Nodes) }
func (g *generator) shard() int   { return g.rng.IntN(g.world.Shards) }
func (g *generator) project() int { return g.rng.IntN(g.world.Projects) }

func (g *generator) publish(name string) {
	project := g.project()
	n := 1
	if g.chance(4) {
		n += g.rng.IntN(20)
	}
	first := g.push(name, project)
	same := g.chance(3)
	for range n {
		o := g.push(name, project)
		if same {
			o.Dest, o.User, o.Client, o.TTL = first.Dest, first.User, first.Client, first.TTL
		}
		g.add(o)
	}
}

// push is a push to a random target.
func (g *generator) push(name string, project int) op {
	o := op{Do: name, Project: project, Size: g.size(), Kind: choose(g, "binary", "json", "headers", "", "", "")}
	switch g.rng.IntN(10) {
	case 0, 1, 2:
		o.User, o.Dest = choose(g, g.world.users()...), choose(g, g.world.paths()...)
	case 3:
		o.Dest, o.Client = choose(g, g.world.paths()...), g.addressee(project)
	default:
		o.Dest = choose(g, g.world.dests()...)
	}
	if g.chance(6) {
		o.TTL = g.duration(choose(g, 20*millisecond, 1500*millisecond)) + 1
	}
	return o
}

// addressee is a client of the project, now and then of another project: then no client may receive the push.
func (g *generator) addressee(project int) int {
	for range 4 {
		if c := g.any(); c.Project == project || g.chance(10) {
			return c.Client
		}
	}
	return len(g.clients) + 1
}

// size of a push's body: mostly small, sometimes more than one write carries. A heavy world has many of those.
func (g *generator) size() int {
	if g.heavy && g.chance(6) {
		return 12_000 + g.rng.IntN(200_000)
	}
	switch g.rng.IntN(24) {
	case 0:
		return g.rng.IntN(150_000)
	case 1, 2:
		return g.rng.IntN(20_000)
	case 3, 4:
		return g.rng.IntN(5_000)
	default:
		return g.rng.IntN(120)
	}
}

func (g *generator) connect(name string) {
	c := g.any()
	o := op{Do: name, Client: c.Client, Node: g.node(), Shard: g.shard()}
	if !c.Good {
		o.Ignores = g.chance(8)
		switch g.rng.IntN(4) {
		case 0:
			o.Kernel = 1 + g.rng.IntN(3000)
		case 1:
			o.Kernel = 1 + g.rng.IntN(100_000)
		}
		if g.world.Faults && g.chance(4) {
			o.Fails = 1 + g.rng.IntN(40)
		}
		if g.chance(40) {
			o.Path = "/other"
		}
		switch g.rng.IntN(30) {
		case 0:
			o.Answer = "wrong"
		case 1:
			o.Answer = "later"
		case 2, 3:
			o.Answer = "expires" + strconv.Itoa(1+g.rng.IntN(5))
		}
		o.Late = g.chance(30)
	}
	if g.world.Faults && g.chance(6) {
		o.Panics, o.Looks = 1+g.rng.IntN(60), g.chance(3)
	}
	if g.chance(3) {
		o.Early = 1 + g.rng.IntN(2)
	}
	g.add(o)
}

func (g *generator) subscribe(name string) {
	c := g.any()
	o := op{Do: name, Client: c.Client, Dest: choose(g, g.world.dests()...), Ack: g.rng.IntN(3), Receipt: !g.chance(5)}
	switch g.rng.IntN(4) {
	case 0:
		if c.User != "" {
			o.Dest = userPrefix + choose(g, g.world.paths()...)
		}
	case 1:
		o.Dest = choose(g, "/topic/*", "/topic/**", "/topic/c/*", "/topic/?", "/**")
	}
	// Many subscriptions share an id, on purpose.
	o.ID = choose(g, "sub-", "a:", "b\\", "0.") + strconv.Itoa(g.ids[c.Client-1])
	g.ids[c.Client-1]++
	if g.world.Crowded && !g.chance(4) {
		o.ID = o.Dest // the same for all clients
	}
	if stomp.Version(c.Version) == stomp.V10 && g.chance(2) {
		o.ID = ""
	}
	switch g.rng.IntN(8) {
	case 0:
		o.Resume = "invented"
	case 1:
		o.Resume = choose(g, "x", "1-2", "2s-0-0,", "zz-0-5", "undefined", "2s-99-1", "-1", "2s-0-5-7")
	}
	g.add(o)
}

func (g *generator) unsubscribe(name string) {
	o := op{Do: name, Client: g.any().Client, Nth: g.rng.IntN(maxSubs), Receipt: g.chance(2)}
	if g.chance(10) {
		o.ID = "unknown"
	}
	g.add(o)
}

func (g *generator) ack(name string) {
	c := g.any()
	o := op{Do: name, Client: c.Client, Nth: g.rng.IntN(maxSubs), Count: 1 + g.rng.IntN(4)}
	if g.chance(6) {
		o.ID = "2s-0-99999"
		if stomp.Version(c.Version) == stomp.V12 {
			o.ID = choose(g, "undefined", "", "2s-0-1", "2s-0-1.sub-1")
		}
		o.Kind = "made up"
	}
	g.add(o)
}

func (g *generator) send(name string) {
	o := op{Do: name, Client: g.any().Client, Dest: choose(g, g.world.dests()...), Receipt: !g.chance(3)}
	switch g.rng.IntN(6) {
	case 0:
		o.Dest = choose(g, "/none/x", "/app/x")
	case 1:
		o.Dest = "/user/c%2Fd/queue/x"
	}
	if g.chance(2) {
		o.Tx = 1 + g.rng.IntN(4)
	}
	g.add(o)
}

// renew sends a token; good clients send none that ends their session.
func (g *generator) renew(name string) {
	c := g.any()
	o := op{Do: name, Client: c.Client, Answer: choose(g, "good", "good", "good", "later", "expires60", "expires100")}
	switch {
	case !c.Good && g.chance(3):
		o.Answer = choose(g, "wrong", "another", "narrow", "expires"+strconv.Itoa(1+g.rng.IntN(5)))
	case g.chance(6):
		o.Answer = "narrow"
	}
	g.add(o)
	if g.chance(5) {
		g.add(o)
	}
}

func (g *generator) breakRule(name string) {
	g.add(op{Do: name, Client: g.any().Client, Kind: choose(g, slices.Sorted(maps.Keys(simBreaks))...), Count: g.rng.IntN(40)})
}

func (g *generator) block(name string) {
	o := op{Do: name, Client: g.any().Client, For: g.duration(2 * second), Kernel: 1 + g.rng.IntN(4000)}
	if g.chance(10) {
		o.For += simDuration(10 * second)
		if g.world.Limits == "installed" {
			o.For += simDuration(30 * second)
		}
	}
	g.add(o)
}

func (g *generator) kick(name string) {
	o := op{Do: name, Client: g.any().Client}
	if g.chance(2) {
		o.Kind = "user"
	}
	g.add(o)
}

func (g *generator) transaction(name string) {
	g.add(op{Do: choose(g, name, name, name, "commit", "commit", "abort"), Client: g.any().Client})
}

func (g *generator) stall(name string) {
	g.add(op{Do: name, Node: g.node(), Shard: g.shard(), For: g.duration(700 * millisecond)})
}

func (g *generator) lag(name string) {
	g.add(op{Do: name, Node: g.node(), For: g.duration(3 * second)})
}

func (g *generator) reload(name string) {
	g.add(op{
		Do: name, Node: g.node(), Project: g.project(), Policy: Policy(g.rng.IntN(3)),
		For: simDuration(int64(1+g.rng.IntN(4)) * second), Window: g.rng.IntN(2) * g.rng.IntN(6),
	})
}

// remove makes a node stop serving a project, and serve it again later.
func (g *generator) remove(name string) {
	g.add(op{Do: choose(g, name, "serve"), Node: g.node(), Project: g.project()})
}

// flood publishes more pushes than one scan of history covers.
func (g *generator) flood(name string) {
	o := op{Do: name, Project: g.project(), Count: 30 + g.rng.IntN(300), Size: g.rng.IntN(60)}
	switch g.rng.IntN(4) {
	case 0:
		o.Kind = "many"
	case 1:
		o.Dest = choose(g, g.world.dests()...)
	case 2:
		o.User, o.Dest = choose(g, g.world.users()...), choose(g, g.world.paths()...)
	}
	g.add(o)
}

func (g *generator) burst(name string) {
	g.add(op{Do: name, Client: g.any().Client, Dest: choose(g, g.world.dests()...), Count: 1 + g.rng.IntN(90), Receipt: g.chance(2)})
}

// wait is longer than the timers of the server.
func (g *generator) wait(name string) {
	n := 5 * second
	if g.world.Limits == "installed" {
		n = 40 * second
	}
	g.add(op{Do: name, For: g.duration(n)})
}

// place is a random place in a partition.
func (g *generator) place(name string) {
	g.add(op{
		Do: name, Node: g.node(), Project: g.project(),
		Part: g.rng.IntN(g.world.Partitions + g.world.Growth), Nth: g.rng.IntN(1000),
	})
}

func (g *generator) query(name string) {
	o := op{Do: name, Node: g.node(), Shard: g.shard(), Project: g.project(), Count: 1 + g.rng.IntN(5)}
	switch g.rng.IntN(3) {
	case 0:
		o.User = choose(g, g.world.users()...)
	case 1:
		o.Dest = choose(g, g.world.dests()...)
	}
	g.add(o)
}

// Destinations, the same in every project, so that a push that crosses projects cannot be recognised by its name.
func (p *profile) dests() []string {
	return p.some([]string{"/topic/a", "/topic/b", "/topic/c/d", "/topic/c/e/", "/topic/käse:x"}, 2)
}

// paths are behind /user.
func (p *profile) paths() []string { return p.some([]string{"/queue/x", "/queue/y"}, 1) }
func (p *profile) users() []string { return p.some([]string{"ann", "bob", "c/d"}, 1) }

// some returns a part of a list when the world is crowded.
func (p *profile) some(list []string, n int) []string {
	if p.Crowded {
		return list[:n]
	}
	return list
}

// tight reports whether history is too small for slow clients.
func (p *profile) tight() bool { return p.HistoryBytes > 0 }
