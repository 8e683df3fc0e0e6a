package measure

// Order counts what was wrong with the messages of one or many streams.
type Order struct {
	Lost      int64 `json:"lost"`      // never came, as far as later ones show
	Repeated  int64 `json:"repeated"`  // came again
	Reordered int64 `json:"reordered"` // came after a later one
	Corrupted int64 `json:"corrupted"` // is not what was sent, or on the wrong subscription
}

// Add adds the counts of p.
func (o *Order) Add(p Order) {
	o.Lost += p.Lost
	o.Repeated += p.Repeated
	o.Reordered += p.Reordered
	o.Corrupted += p.Corrupted
}

// window is how far behind the newest message a late one is still told from a repeated one.
const window = 32

// Sequence is what one subscriber has seen of one stream, whose messages are numbered from 1 without gaps. The
// first message that it sees is its start; anything older then counts as repeated. Zero value ready, 8 bytes.
type Sequence struct {
	last uint32
	seen uint32 // bit i: last-i came
}

// Observe takes note of message seq and counts in o what is wrong with it.
func (s *Sequence) Observe(seq uint32, o *Order) {
	ahead := int32(seq - s.last)
	switch {
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
