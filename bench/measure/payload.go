package measure

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
)

// A payload is a JSON object of a wanted size: the message's number in its stream, the time at which it was due
// (nanoseconds since 1970), both in hexadecimal, and filling that follows from the number, so that a receiver can
// rebuild every byte of it.
const (
	payloadStart  = `{"seq":"`
	payloadMiddle = `","due":"`
	payloadFill   = `","fill":"`
	payloadEnd    = `"}`

	seqAt  = len(payloadStart)
	dueAt  = seqAt + 8 + len(payloadMiddle)
	fillAt = dueAt + 16 + len(payloadFill)

	// MinPayload is the size of a payload without filling.
	MinPayload = fillAt + len(payloadEnd)
)

// AppendPayload appends a payload of size bytes, or of MinPayload if that is more.
func AppendPayload(dst []byte, seq uint32, due int64, size int) []byte {
	dst = append(dst, payloadStart...)
	dst = hex.AppendEncode(dst, binary.BigEndian.AppendUint32(nil, seq))
	dst = append(dst, payloadMiddle...)
	dst = hex.AppendEncode(dst, binary.BigEndian.AppendUint64(nil, uint64(due)))
	dst = append(dst, payloadFill...)
	for i := range size - MinPayload {
		dst = append(dst, fill(seq, i))
	}
	return append(dst, payloadEnd...)
}

// fill is byte i of the filling of payload seq: letters only, so that JSON and STOMP leave them alone.
func fill(seq uint32, i int) byte { return 'a' + byte((seq+uint32(i))%26) }

// ParsePayload reads what AppendPayload wrote. ok is false when any byte differs.
func ParsePayload(b []byte) (seq uint32, due int64, ok bool) {
	if len(b) < MinPayload ||
		!bytes.HasPrefix(b, []byte(payloadStart)) ||
		!bytes.HasPrefix(b[seqAt+8:], []byte(payloadMiddle)) ||
		!bytes.HasPrefix(b[dueAt+16:], []byte(payloadFill)) ||
		!bytes.HasSuffix(b, []byte(payloadEnd)) {
		return 0, 0, false
	}
	var number [8]byte
	if _, err := hex.Decode(number[:4], b[seqAt:seqAt+8]); err != nil {
		return 0, 0, false
	}
	seq = binary.BigEndian.Uint32(number[:4])
	if _, err := hex.Decode(number[:], b[dueAt:dueAt+16]); err != nil {
		return 0, 0, false
	}
	for i, c := range b[fillAt : len(b)-len(payloadEnd)] {
		if c != fill(seq, i) {
			return 0, 0, false
		}
	}
	return seq, int64(binary.BigEndian.Uint64(number[:])), true
}
