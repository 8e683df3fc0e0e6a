package measure

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
)

// Payload is the content of a message.
type Payload struct {
	Seq    uint32 // number in its stream
	Due    int64  // when it was due, in nanoseconds since 1970
	Stream uint64 // which run and which stream it is of
}

// On the wire a payload is a JSON object of a wanted size: its three numbers in hexadecimal, and filling derived from the
// number, so that a receiver can verify every byte.
const (
	payloadStart  = `{"seq":"`
	payloadDue    = `","due":"`
	payloadStream = `","stream":"`
	payloadFill   = `","fill":"`
	payloadEnd    = `"}`

	seqAt    = len(payloadStart)
	dueAt    = seqAt + 8 + len(payloadDue)
	streamAt = dueAt + 16 + len(payloadStream)
	fillAt   = streamAt + 16 + len(payloadFill)

	// MinPayload is the size of a payload without filling.
	MinPayload = fillAt + len(payloadEnd)
)

// Append appends p as size bytes, or MinPayload if that is more.
func (p Payload) Append(dst []byte, size int) []byte {
	dst = p.appendNumbers(dst)
	dst = append(dst, payloadFill...)
	for i := range size - MinPayload {
		dst = append(dst, fill(p.Seq, i))
	}
	return append(dst, payloadEnd...)
}

func (p Payload) appendNumbers(dst []byte) []byte {
	dst = append(dst, payloadStart...)
	dst = hex.AppendEncode(dst, binary.BigEndian.AppendUint32(nil, p.Seq))
	dst = append(dst, payloadDue...)
	dst = hex.AppendEncode(dst, binary.BigEndian.AppendUint64(nil, uint64(p.Due)))
	dst = append(dst, payloadStream...)
	return hex.AppendEncode(dst, binary.BigEndian.AppendUint64(nil, p.Stream))
}

// AppendPayload appends a payload of stream 0, for a load with only one stream.
func AppendPayload(dst []byte, seq uint32, due int64, size int) []byte {
	return Payload{Seq: seq, Due: due}.Append(dst, size)
}

// fill is byte i of the filling of payload seq: letters only, so that JSON and STOMP leave them alone.
func fill(seq uint32, i int) byte { return 'a' + byte((seq+uint32(i))%26) }

// ParsePayload reads what Append or AppendDocument wrote. ok is false when any byte differs.
func ParsePayload(b []byte) (p Payload, ok bool) {
	if len(b) < MinPayload ||
		!bytes.HasPrefix(b, []byte(payloadStart)) ||
		!bytes.HasPrefix(b[seqAt+8:], []byte(payloadDue)) ||
		!bytes.HasPrefix(b[dueAt+16:], []byte(payloadStream)) {
		return Payload{}, false
	}
	var number [8]byte
	if _, err := hex.Decode(number[:4], b[seqAt:seqAt+8]); err != nil {
		return Payload{}, false
	}
	p.Seq = binary.BigEndian.Uint32(number[:4])
	if _, err := hex.Decode(number[:], b[dueAt:dueAt+16]); err != nil {
		return Payload{}, false
	}
	p.Due = int64(binary.BigEndian.Uint64(number[:]))
	if _, err := hex.Decode(number[:], b[streamAt:streamAt+16]); err != nil {
		return Payload{}, false
	}
	p.Stream = binary.BigEndian.Uint64(number[:])
	if !bytes.HasPrefix(b[streamAt+16:], []byte(payloadFill)) || !bytes.HasSuffix(b, []byte(payloadEnd)) {
		if !isDocument(b, p.Seq) {
			return Payload{}, false
		}
		return p, true
	}
	for i, c := range b[fillAt : len(b)-len(payloadEnd)] {
		if c != fill(p.Seq, i) {
			return Payload{}, false
		}
	}
	return p, true
}
