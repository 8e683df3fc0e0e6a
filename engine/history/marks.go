package history

import (
	"sort"
	"unsafe"

	"stentor/engine/bus"
)

// mark says, for a number, how far each partition had come before it. With one every markEvery pushes, a search finds where
// a client's positions lie in the ring without scanning all of it.
type mark struct {
	seq    uint64
	newest []markPlace
}

type markPlace struct {
	partition int32
	offset    int64
}

const markEvery = 256

func (m *mark) size() int64 {
	return 2*int64(unsafe.Sizeof(mark{})) + int64(len(m.newest))*int64(unsafe.Sizeof(markPlace{}))
}

// markHere makes a mark before the next entry, when one is due. Its partition may have come as far as that entry already:
// a client that has seen as much has seen all before it.
func (l *Log) markHere() {
	if l.next%markEvery != 0 {
		return
	}
	m := mark{l.next, make([]markPlace, 0, len(l.partitions))}
	for n, p := range l.partitions {
		m.newest = append(m.newest, markPlace{n, p.newest})
	}
	l.marks.Push(m)
	l.bytes.Add(m.size())
}

// unmark forgets the marks up to seq, which is evicted.
func (l *Log) unmark(seq uint64) {
	for l.marks.Len() > 0 && l.marks.At(0).seq <= seq {
		m := l.marks.Pop()
		l.bytes.Add(-m.size())
	}
}

// seenUpTo is a number in the ring before which a client with these positions has seen everything in their partitions.
func (l *Log) seenUpTo(seen positions) uint64 {
	n := sort.Search(l.marks.Len(), func(i int) bool {
		m := l.marks.At(i)
		for _, at := range m.newest {
			if offset, named := seen.in(at.partition); named && at.offset > offset {
				return true
			}
		}
		return false
	})
	if n == 0 {
		return l.floor.Load()
	}
	return max(l.floor.Load(), l.marks.At(n-1).seq)
}

// positions are a client's, in order of their partitions.
type positions []bus.Position

// in is the offset in a partition, if the client named one.
func (s positions) in(partition int32) (offset int64, named bool) {
	i := sort.Search(len(s), func(i int) bool { return s[i].Partition >= partition })
	if i < len(s) && s[i].Partition == partition {
		return s[i].Offset, true
	}
	return -1, false
}
