package bus

import (
	"errors"
	"strconv"
	"strings"
)

// Position is the place of a push on the bus: epoch of the topic, partition, offset. Its text e-p-o, the epoch in base 36,
// is the STOMP message-id, and so is the same on every node. Offset -1 is before the first push; its text is x.
type Position struct {
	Epoch     uint64
	Partition int32
	Offset    int64
}

// ErrPosition is the answer to text that is not a position.
var ErrPosition = errors.New("a position is epoch-partition-offset, as in a message-id")

const epochBase = 36

// AppendTo appends the text of p.
func (p Position) AppendTo(dst []byte) []byte {
	dst = strconv.AppendUint(dst, p.Epoch, epochBase)
	dst = append(dst, '-')
	dst = strconv.AppendInt(dst, int64(p.Partition), 10)
	dst = append(dst, '-')
	if p.Offset < 0 {
		return append(dst, 'x')
	}
	return strconv.AppendInt(dst, p.Offset, 10)
}

// String returns the text of p.
func (p Position) String() string { return string(p.AppendTo(make([]byte, 0, 32))) }

// ParsePosition reads what AppendTo wrote.
func ParsePosition(s string) (Position, error) {
	epoch, rest, _ := strings.Cut(s, "-")
	partition, offset, _ := strings.Cut(rest, "-")
	e, err1 := strconv.ParseUint(epoch, epochBase, 64)
	p, err2 := strconv.ParseUint(partition, 10, 31)
	if err1 != nil || err2 != nil {
		return Position{}, ErrPosition
	}
	if offset == "x" {
		return Position{Epoch: e, Partition: int32(p), Offset: -1}, nil
	}
	o, err := strconv.ParseUint(offset, 10, 63)
	if err != nil {
		return Position{}, ErrPosition
	}
	return Position{Epoch: e, Partition: int32(p), Offset: int64(o)}, nil
}

// maxPositions bounds how many positions a client may name: one a partition.
const maxPositions = 256

// ParsePositions reads one position or several joined with ','.
func ParsePositions(s string) ([]Position, error) {
	if strings.Count(s, ",") >= maxPositions {
		return nil, ErrPosition
	}
	var all []Position
	for part := range strings.SplitSeq(s, ",") {
		p, err := ParsePosition(part)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}
