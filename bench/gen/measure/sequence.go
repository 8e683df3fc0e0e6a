package measure

// Order counts what was wrong with the messages of one or many streams.
type Order struct {
	Lost      int64 `json:"lost"`      // never came, as far as later ones show
	Repeated  int64 `json:"repeated"`  // came again
	Reordered int64 `json:"reordered"` // came after a later one
	Corrupted int64 `json:"corrupted"` // is not what was sent
	Misrouted int64 `json:"misrouted"` // is another project's, user's, destination's or run's, or on the wrong subscription
}

// Bad is the number of all that was wrong.
func (o Order) Bad() int64 { return o.Lost + o.Repeated + o.Reordered + o.Corrupted + o.Misrouted }

// Add adds the counts of p.
func (o *Order) Add(p Order) {
	o.Lost += p.Lost
	o.Repeated += p.Repeated
	o.Reordered += p.Reordered
	o.Corrupted += p.Corrupted
	o.Misrouted += p.Misrouted
}

// window is how far behind the newest message a late message can still be distinguished from a repeated one.
const window = 32

// Sequence is what one subscriber has seen of one stream, whose messages are numbered from 1 without gaps. The first message
// that it sees is its start; anything older counts as repeated. The zero value is ready to use; it has 8 bytes.
type Sequence struct {
	last uint32
	seen uint32 // bit i: last-i came. Bit 0 is set once anything came; before that, followed after Follow
}

// followed marks a sequence that has seen nothing but knows where it must begin.
const followed = 2

// Follow makes s, which has seen nothing, expect everything after message newest. Some of the latest messages up to newest
// may still come: then everything after the first of them must come too.
func (s *Sequence) Follow(newest uint32) { s.last, s.seen = newest, followed }

// Missing returns how many messages have not come of a stream whose newest is newest, as far as s can know.
func (s *Sequence) Missing(newest uint32) uint32 {
	if ahead := int32(newest - s.last); ahead > 0 && s.seen != 0 {
		return uint32(ahead)
	}
	return 0
}

// Observe records message seq and counts in o what is wrong with it.
func (s *Sequence) Observe(seq uint32, o *Order) {
	ahead := int32(seq - s.last)
	switch {
	case s.seen == followed:
		s.last, s.seen = seq, ^uint32(0)
		if ahead > 1 {
			o.Lost += int64(ahead) - 1
			s.seen = s.seen<<min(ahead, window) | 1
		}
	case ahead == 1:
		s.seen = s.seen<<1 | 1
		s.last = seq
		if s.seen == 1 { // message 1 is the very first one
			s.seen = ^uint32(0)
		}
	case s.seen == 0:
		s.last, s.seen = seq, ^uint32(0)
	case ahead > 1:
		o.Lost += int64(ahead) - 1
		s.seen = s.seen<<min(ahead, window) | 1
		s.last = seq
	case ahead <= -window:
		o.Reordered++
	case s.seen>>-ahead&1 == 1:
		o.Repeated++
	default:
		s.seen |= 1 << -ahead
		o.Reordered++
		o.Lost--
	}
}

// Last is the newest message seen, 0 before any.
func (s *Sequence) Last() uint32 { return s.last }
