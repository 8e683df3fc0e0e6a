package history

import (
	"testing"

	"stentor/engine/bus"
)

// An entry is itself and its encoded bytes: a node that starts makes a million of them in a few seconds.
func TestEntryAllocates(t *testing.T) {
	for name, r := range map[string]bus.Record{
		"topic":   {Destination: "/topic/shop/prices", ContentType: "application/json"},
		"user":    {Destination: "/queue/orders", User: "ann", ID: "17"},
		"headers": {Destination: "/topic/shop/prices", Headers: []bus.Header{{Name: "color", Value: "red"}, {Name: "size", Value: "9"}}},
	} {
		r.Body = make([]byte, 1024)
		pos := bus.Position{Epoch: 1_700_000_000_000_000, Partition: 11, Offset: 1_000_000}
		if allocs := testing.AllocsPerRun(100, func() { NewEntry(pos, &r, 1, 0) }); allocs > 2 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
}
