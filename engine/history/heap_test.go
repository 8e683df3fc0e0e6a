package history

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"stentor/engine/bus"
)

func heapInUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// What is counted is what it costs, whatever a history is full of: else a project of many users would take ten times the
// memory that it may.
func TestBytesAreTheHeap(t *testing.T) {
	const most = 8 << 20
	for name, record := range map[string]func(n int) bus.Record{
		"users, each once": func(n int) bus.Record { return bus.Record{Destination: "/queue/x", User: fmt.Sprint("user-", n)} },
		"users with ids": func(n int) bus.Record {
			return bus.Record{Destination: "/queue/x", User: fmt.Sprint("user-", n%20_000), ID: fmt.Sprint("id-", n)}
		},
		"sessions":          func(n int) bus.Record { return bus.Record{Destination: "/queue/x", Session: fmt.Sprintf("%021d", n)} },
		"destinations":      func(n int) bus.Record { return bus.Record{Destination: fmt.Sprint("/topic/shop/prices/", n)} },
		"long destinations": func(n int) bus.Record { return bus.Record{Destination: fmt.Sprintf("/topic/%0900d", n)} },
		"one destination":   func(n int) bus.Record { return bus.Record{Destination: "/topic/a"} },
		"a thousand": func(n int) bus.Record {
			return bus.Record{Destination: fmt.Sprint("/topic/", n%1000), Body: make([]byte, 200)}
		},
		"large":             func(n int) bus.Record { return bus.Record{Destination: "/topic/a", Body: make([]byte, 40_000)} },
		"compressed":        func(n int) bus.Record { return bus.Record{Destination: "/topic/a", Body: make([]byte, 2000)} },
		"in all partitions": func(n int) bus.Record { return bus.Record{Destination: fmt.Sprint("/topic/", n%5000)} },
		"headers to be escaped": func(n int) bus.Record {
			return bus.Record{Destination: "/topic/a", Headers: []bus.Header{{Name: "a:b", Value: fmt.Sprint("x:", n)}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := heapInUse()
			l := NewLog(Bounds{time.Hour, most})
			for p := range int32(20) {
				l.Begin(place(p, 0))
			}
			for n := range 150_000 {
				r := record(n)
				partition := int32(0)
				if name == "in all partitions" {
					partition = int32(n % 20)
				}
				var packed []byte
				if name == "compressed" {
					packed = make([]byte, 700)
				}
				l.Append(NewPackedEntry(place(partition, int64(n)), &r, packed, 0, 0), 0)
				if l.Len() < n/3 && n > 2000 {
					break // it has evicted, and floors are as many as there may be
				}
			}
			used, counted := heapInUse()-before, l.Bytes()
			t.Logf("%d pushes: %d bytes are counted, %d of heap: %.2f", l.Len(), counted, used, float64(used)/float64(counted))
			if counted > most || used > counted*115/100 {
				t.Errorf("%d bytes are counted, the heap has %d", counted, used)
			}
			runtime.KeepAlive(l)
		})
	}
}
