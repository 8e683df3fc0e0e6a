package load

import (
	"sync"
	"sync/atomic"
	"testing"

	"stentor/bench/gen/client"
)

// Who brings connections back takes none that is coming back for missing, at whatever moment it looks.
func TestNoneTooMany(t *testing.T) {
	s := listen(t)
	spec := parse(t, "reconnect", "--url=ws://"+s.Address().String()+"/ws", "--open-rate=0", "--connections=10")
	if err := spec.check(); err != nil {
		t.Fatal(err)
	}
	to, err := newTarget(bounded(t), spec)
	if err != nil {
		t.Fatal(err)
	}
	r := &run{Spec: spec, part: whole(), all: 10}
	if r.streams, err = newStreams(spec, false); err != nil {
		t.Fatal(err)
	}
	id, _, err := newIdentity(spec)
	if err != nil {
		t.Fatal(err)
	}
	id.streams = r.streams
	options := r.clientOptions(to, fromAddresses{}, id)
	options.Stream = func(int, int) uint32 { return 0 } // one too many does not end this test
	options.Newest, options.SubscriptionsOf = nil, func(int) []string { return []string{"/topic/x"} }
	if r.clients, err = client.New(options); err != nil {
		t.Fatal(err)
	}
	defer r.clients.Close()
	if err := r.openFirst(bounded(t), 10); err != nil {
		t.Fatal(err)
	}
	var done atomic.Bool
	var looks sync.WaitGroup
	looks.Go(func() {
		for !done.Load() {
			r.refill(0)
		}
	})
	for i := range 25 {
		if err := r.drop(5); err != nil {
			t.Error(err)
			break
		}
		if err := r.comeBack(bounded(t), 5); err != nil {
			t.Error(err)
			break
		}
		if c := r.clients.Counts(); c.Reading+c.Opening > 10 {
			t.Errorf("time %d that 5 of 10 came back: there are %d", i+1, c.Reading+c.Opening)
			break
		}
	}
	done.Store(true)
	looks.Wait()
}
