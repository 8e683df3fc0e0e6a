package kafka

import (
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"stentor/engine/directory"
)

var clusterKey = []byte("0123456789abcdef0123456789abcdef")

// clusterNode starts a node that advertises its addresses.
func clusterNode(t *testing.T, bootstrap, id string, draining *atomic.Bool) *Bus {
	t.Helper()
	o := testOptions(bootstrap, &sink{})
	o.Node, o.ClusterKey, o.Draining = id, clusterKey, draining.Load
	o.Status = func() directory.Status {
		return directory.Status{URLs: []string{"wss://" + id + "/ws"}, API: "http://" + id, Capacity: 1000, Connections: 10, Version: "1.0"}
	}
	return open(t, o)
}

func testRegistry(t *testing.T, bootstrap string) (*Registry, *directory.View) {
	t.Helper()
	v := directory.New(directory.Options{Key: clusterKey})
	r, err := NewRegistry(RegistryOptions{Properties: map[string]string{"bootstrap.servers": bootstrap}, NodesTopic: "stentor.nodes", Directory: v, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r, v
}

// handed returns the nodes that clients are sent to, in order of their names.
func handed(v *directory.View) string {
	var all []string
	for _, n := range v.Nodes(time.Now()) {
		if n.Handed {
			all = append(all, n.ID)
		}
	}
	return strings.Join(all, " ")
}

// writeBeat writes any bytes as a beat to the topic of the nodes.
func writeBeat(t *testing.T, bootstrap, node string, value []byte) {
	t.Helper()
	p, err := ck.NewProducer(&ck.ConfigMap{"bootstrap.servers": bootstrap})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	topic, done := "stentor.nodes", make(chan ck.Event, 1)
	if err := p.Produce(&ck.Message{TopicPartition: ck.TopicPartition{Topic: &topic, Partition: 0}, Key: []byte(node), Value: value}, done); err != nil {
		t.Fatal(err)
	}
	if m := (<-done).(*ck.Message); m.TopicPartition.Error != nil {
		t.Fatal(m.TopicPartition.Error)
	}
}

func TestNodesAreFound(t *testing.T) {
	mc := mock(t, 1)
	bootstrap := mc.BootstrapServers()
	var first, second atomic.Bool
	a, b := clusterNode(t, bootstrap, "a", &first), clusterNode(t, bootstrap, "b", &second)
	plain := testOptions(bootstrap, &sink{})
	plain.Node = "plain"
	ready(t, open(t, plain))
	ready(t, a)
	ready(t, b)
	r, v := testRegistry(t, bootstrap)
	until(t, "the registry is ready", func() bool { return r.Ready() == nil })
	until(t, "both are handed out", func() bool { return handed(v) == "a b" })
	until(t, "the nodes know each other", func() bool { return handed(a.opts.Directory) == "a b" && handed(b.opts.Directory) == "a b" })
	until(t, "the one without a key is listed", func() bool {
		all := v.Nodes(time.Now())
		return len(all) == 3 && all[2].ID == "plain" && !all[2].Sealed && all[2].State == directory.Up
	})
	first.Store(true)
	until(t, "a drains", func() bool { return handed(v) == "b" })
	first.Store(false)
	until(t, "it does not", func() bool { return handed(v) == "a b" })
	closeBus(a)
	until(t, "a has left", func() bool { return handed(v) == "b" && v.Nodes(time.Now())[0].State == directory.Left })

	forged, _ := json.Marshal(directory.Beat{Instance: "x", State: directory.Up, First: 1 << 40, Sent: 1 << 40, Ready: true, Status: directory.Status{URLs: []string{"wss://evil/ws"}, Capacity: 1e6}})
	writeBeat(t, bootstrap, "b", forged)
	writeBeat(t, bootstrap, "evil", directory.Encode(directory.Beat{Instance: "x", State: directory.Up, First: 1, Ready: true, Status: directory.Status{URLs: []string{"wss://evil/ws"}, Capacity: 1e6}}, "evil", []byte("another key, which is just as long")))
	until(t, "the forgeries are counted", func() bool { n := v.Counts().Ignored; return n["unsealed"] > 1 && n["forged"] == 1 })
	if got := handed(v); got != "b" {
		t.Errorf("handed out: %s", got)
	}
}

// The id of a node that left in order is free at once. That of one that only fell silent is free when the silence has lasted.
func TestIDIsFreeAfterALeave(t *testing.T) {
	o := testOptions("", &sink{})
	o.Directory = directory.New(directory.Options{})
	p := newPresence(&o, nil, nil, nil, "now", nil, nil)
	taken := false
	for i, state := range []string{directory.Up, directory.Left, directory.Up, directory.Up} {
		beat := directory.Beat{Instance: "before", State: state, First: 1, Sent: int64(i), At: time.Now().UnixMilli()}
		var err error
		if taken, err = p.read(&ck.Message{Key: []byte(o.Node), Value: directory.Encode(beat, o.Node, nil)}, false, taken); err != nil {
			t.Fatal(err)
		}
		if want := state == directory.Up; taken != want {
			t.Errorf("beat %d, %s: taken %t", i, state, taken)
		}
	}
}

// Of two nodes that start together the one whose beat was first stays, even if it reads its twin's beat before it has the
// delivery report of its own.
func TestFirstOfTwins(t *testing.T) {
	o := testOptions("", &sink{})
	o.Directory = directory.New(directory.Options{})
	p := newPresence(&o, nil, nil, nil, "own", nil, nil)
	read := func(instance string, offset ck.Offset) error {
		beat := directory.Beat{Instance: instance, State: directory.Up, First: -1, Sent: 1, At: time.Now().UnixMilli()}
		_, err := p.read(&ck.Message{TopicPartition: ck.TopicPartition{Offset: offset}, Key: []byte(o.Node), Value: directory.Encode(beat, o.Node, nil)}, true, false)
		return err
	}
	if err := read("own", 5); err != nil {
		t.Fatal(err)
	}
	if !p.clear.Load() || p.first.Load() != 5 {
		t.Errorf("clear %t, first %d", p.clear.Load(), p.first.Load())
	}
	if err := read("later", 6); err != nil {
		t.Error("the first one ends:", err)
	}
	if err := read("earlier", 4); !errors.Is(err, ErrTwin) {
		t.Error("the later one does not end:", err)
	}
}

// With a cluster key, a sender without it cannot end a node by a beat with the node's id, and neither can copies of an earlier
// instance's beats. Without a key the node has to believe such a beat.
func TestForgedTwin(t *testing.T) {
	mc := mock(t, 1)
	bootstrap := mc.BootstrapServers()
	var no atomic.Bool
	life := clusterNode(t, bootstrap, "a", &no)
	ready(t, life)
	before := directory.Beat{Instance: life.presence.instance, State: directory.Up, First: life.presence.first.Load(), Sent: 1, Ready: true, At: time.Now().UnixMilli()}
	closeBus(life)
	a := clusterNode(t, bootstrap, "a", &no)
	ready(t, a)
	twin := directory.Beat{Instance: "twin", State: directory.Up, First: 0, Sent: 5, Ready: true, At: time.Now().UnixMilli()}
	for name, value := range map[string][]byte{
		"without a seal": directory.Encode(twin, "a", nil), "with another key": directory.Encode(twin, "a", []byte("another key, which is just as long")),
		"a copy": directory.Encode(before, "a", clusterKey),
	} {
		seen := a.opts.Directory.Counts().Ignored
		writeBeat(t, bootstrap, "a", value)
		until(t, name, func() bool {
			now := a.opts.Directory.Counts().Ignored
			return now["unsealed"]+now["forged"]+now["replayed"] > seen["unsealed"]+seen["forged"]+seen["replayed"]
		})
		select {
		case <-a.Ended():
			t.Fatalf("%s: the node ended: %v", name, a.Err())
		default:
		}
	}
	writeBeat(t, bootstrap, "a", directory.Encode(twin, "a", clusterKey))
	select {
	case <-a.Ended():
	case <-time.After(waitTime):
		t.Error("a true twin is not noticed")
	}
}

// While the brokers are unreachable the registry continues with the nodes as last known.
func TestRegistryInOutage(t *testing.T) {
	mc := mock(t, 1)
	bootstrap := mc.BootstrapServers()
	var no atomic.Bool
	ready(t, clusterNode(t, bootstrap, "a", &no))
	ready(t, clusterNode(t, bootstrap, "b", &no))
	r, v := testRegistry(t, bootstrap)
	until(t, "both are handed out", func() bool { return r.Ready() == nil && handed(v) == "a b" })
	if err := mc.SetBrokerDown(1); err != nil {
		t.Fatal(err)
	}
	until(t, "the view is stale for longer than a lease", func() bool { return v.Stale(time.Now()) > 8*time.Second })
	healthy := func() bool {
		for _, n := range v.Nodes(time.Now()) {
			if n.State != directory.Up || !n.Handed {
				return false
			}
		}
		return true
	}
	if !healthy() || r.Ready() != nil {
		t.Errorf("%+v, %v", v.Nodes(time.Now()), r.Ready())
	}
	if err := mc.SetBrokerUp(1); err != nil {
		t.Fatal(err)
	}
	until(t, "the topic is read again", func() bool {
		if !healthy() {
			t.Fatalf("%+v", v.Nodes(time.Now()))
		}
		return v.Stale(time.Now()) == 0
	})
}
