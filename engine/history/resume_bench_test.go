package history

import (
	"fmt"
	"testing"
	"time"

	"stentor/engine/bus"
)

// What a resume costs its shard when 155,000 pushes are kept: the search, and reading all that was missed, a write at a
// time. Of a pattern most is not its own, and 100,000 destinations have floors that it does not match.
func BenchmarkResume(b *testing.B) {
	const pushes = 155_000
	build := func(dest func(n int) string) (*Log, map[int32]bus.Position) {
		l := NewLog(Bounds{time.Hour, 1 << 40})
		l.Begin(place(0, 0))
		offset := int64(0)
		add := func(dest string, at int64) {
			l.Append(NewEntry(place(0, offset), &bus.Record{Destination: dest, Body: make([]byte, 100)}, at, 0), 0)
			offset++
		}
		for n := range 100_000 {
			add(fmt.Sprint("/quiet/", n), 0)
		}
		l.EvictOlder(int64(2 * time.Hour))
		for n := range pushes {
			add(dest(n), int64(2*time.Hour))
		}
		return l, map[int32]bus.Position{0: place(0, offset-1)}
	}
	one, applied := build(func(int) string { return "/topic/5" })
	many, _ := build(func(n int) string { return fmt.Sprint("/topic/", n%1000) })
	end := applied[0].Offset
	pattern := Wanted{Match: matcher(func(d string) bool { return d == "/topic/5" })}
	for _, c := range []struct {
		name   string
		log    *Log
		wanted Wanted
		seen   int64
	}{
		{"nothing missed", one, Wanted{Chain: "/topic/5"}, end},
		{"all missed", one, Wanted{Chain: "/topic/5"}, 100_000 - 1},
		{"pattern, nothing missed", many, pattern, end},
		{"pattern, all missed", many, pattern, 100_000 - 1},
		{"pattern, floors too", many, pattern, -1},
	} {
		for _, part := range []string{"search", "all"} {
			b.Run(c.name+"/"+part, func(b *testing.B) {
				b.ReportAllocs()
				out := make([]*Entry, 0, 1000)
				steps := 0
				for b.Loop() {
					search := Resume{seen: positions{place(0, c.seen)}}
					answer := Unsure
					var cursor Cursor
					for answer == Unsure {
						cursor, answer = c.log.Resume(c.wanted, &search, applied, c.log.next)
						steps++
					}
					for part == "all" && !cursor.Empty() {
						out, _ = c.log.Read(&cursor, c.wanted.Match, out[:0], Budget{Pushes: 1000, Bytes: 16 << 10, Lines: 28})
						steps++
					}
				}
				b.ReportMetric(float64(steps)/float64(b.N), "steps")
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(steps), "ns/step")
			})
		}
	}
}
