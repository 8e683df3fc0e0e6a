package shard

import (
	"bytes"
	"testing"
	"time"

	"stentor/engine/bus"
	"stentor/engine/history"
)

// A round that takes longer than a push has to live stops giving it: what was built for the first of many subscribers
// is not given to the last.
func TestTTLDuringARound(t *testing.T) {
	r := newRig(t)
	all := r.fill(2000, "/topic/a", sameID)
	for _, k := range all {
		k.cost = 10_000
		k.keep = true
		k.kept = nil
	}
	rec := bus.Record{Destination: "/topic/a", Project: rigProject, Body: []byte("short")}
	short := history.NewEntry(bus.Position{Epoch: 1, Offset: 0}, &rec, r.now, r.now+int64(8*time.Millisecond))
	short.Report = &history.Report{}
	r.offset = 1
	r.settings.History.Append(short, 1)
	r.hand(short)
	long := r.push("/topic/a", 10)
	long.Report = &history.Report{}
	r.run()
	given := 0
	for _, k := range all {
		if bytes.Contains(k.kept, []byte("short")) {
			given++
		}
		if !bytes.Contains(k.kept, []byte("message-id:1-0-1\n")) {
			t.Fatal("a push was lost")
		}
	}
	if given < 500 || given > 1100 {
		t.Errorf("%d of %d were given a push that lived for 800 writes", given, len(all))
	}
	if n := int(short.Report.Written.Load()); n != given {
		t.Errorf("%d were given it, %d were reported", given, n)
	}
	if n := r.s.stats.Expired.Load(); int(n) != len(all)-given {
		t.Errorf("%d were not given it, %d were counted", len(all)-given, n)
	}
}
