package statefile

import (
	"cmp"
	"slices"
)

// State is the contents of a file.
type State struct {
	Epoch      uint64
	Partitions []Partition

	chains []byte // their records
	count  int    // how many there are
}

// Partition is what was known of one. Offsets are -1 where there is none.
type Partition struct {
	Number int32
	Begin  int64 // the first offset that was read
	Next   int64 // the one behind the last that was read: everything in [Begin, Next) is known
	Former int64 // if the partition stepped back, the last one before that
	// The newest offset of floors that were forgotten: of destinations whose pushes belong in this partition, as one of
	// len(State.Partitions), of others, and of users.
	Home, Strays, Users int64
}

func (p *Partition) offsets() [6]*int64 {
	return [...]*int64{&p.Begin, &p.Next, &p.Former, &p.Home, &p.Strays, &p.Users}
}

// Covers reports whether a node that begins to read at an offset knows everything from p.Begin on.
func (p *Partition) Covers(begin int64) bool { return p.Begin <= begin && begin <= p.Next }

// Floor is the position of a chain's newest push below the place where reading of its partition begins, or a place above
// it. Key is valid as long as the State is.
type Floor struct {
	Key       []byte
	Partition int32
	Offset    int64
	order     uint64
}

// Floors are those of a node that reads partitions from begins on, each covered, in the order in which they came; within a
// partition no offset is below one before. Partitions without a begin are left out. A chain may come twice.
func (s *State) Floors(begins map[int32]int64) []Floor {
	all := make([]Floor, 0, s.count)
	d := decoder{rest: s.chains}
	for len(d.rest) > 0 {
		partition, key := d.chain()
		begin, wanted := begins[partition]
		f := Floor{Key: key, Partition: partition, Offset: -1}
		d.pushes(func(offset int64, order uint64) {
			if offset < begin {
				f.Offset, f.order = offset, order
			}
		})
		if offset, order := d.floor(); offset >= begin {
			f.Offset, f.order = begin-1, ^uint64(0) // there may be one anywhere below
		} else if offset > f.Offset {
			f.Offset, f.order = offset, order
		}
		if wanted && f.Offset >= 0 {
			all = append(all, f)
		}
	}
	slices.SortStableFunc(all, func(a, b Floor) int { return cmp.Compare(a.order, b.order) })
	last := make(map[int32]int64, len(begins))
	for i := range all { // offsets before a step back of the partition may be larger
		f := &all[i]
		f.Offset = max(f.Offset, last[f.Partition])
		last[f.Partition] = f.Offset
	}
	return all
}
