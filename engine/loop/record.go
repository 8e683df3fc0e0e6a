package loop

import "encoding/binary"

// Records of TLS as far as a loop looks at them: where they end.

const (
	recordHead = 5
	// recordMost is the most that a record may declare: of TLS 1.2; of TLS 1.3 it is less, which crypto/tls or package tls13
	// sees to.
	recordMost = 16384 + 2048

	typeChangeCipher = 20
	typeHandshake    = 22
	typeData         = 23
)

// wholeRecords is how many bytes of b are whole records. wrong means that what follows them cannot be a record.
func wholeRecords(b []byte) (n int, wrong bool) {
	for {
		size, ok := recordSize(b[n:])
		switch {
		case !ok:
			return n, true
		case size == 0 || size > len(b)-n:
			return n, false
		}
		n += size
	}
}

// recordSize is the size of the record that begins b, 0 when its head is incomplete. It is not ok when that is no record.
func recordSize(b []byte) (size int, ok bool) {
	if len(b) > 0 && (b[0] < typeChangeCipher || b[0] > typeData) || len(b) > 1 && b[1] != 3 {
		return 0, false
	}
	if len(b) < recordHead {
		return 0, true
	}
	length := int(binary.BigEndian.Uint16(b[3:]))
	return recordHead + length, length <= recordMost
}

// whole returns the whole records of what was kept and of in, and keeps the rest. What is no record is returned with the
// records in front of it: who reads them refuses it. The bytes are valid until the next call.
func (t *secure) whole(in []byte) []byte {
	var part []byte
	if t.some != nil {
		part = t.some.part
	}
	if len(part) > 0 {
		if size, ok := sizeOf(part, in); ok && (size == 0 || size > len(part)+len(in)) {
			t.some.part = appendPart(part, in)
			return nil
		}
		in = append(part, in...) // once a record: its beginning was kept
		t.some.part = nil
		t.tidy()
	}
	n, wrong := wholeRecords(in)
	if wrong {
		return in
	}
	if n < len(in) {
		t.rare().part = appendPart(nil, in[n:])
	}
	return in[:n]
}

// sizeOf is recordSize of a record that begins in part and goes on in in.
func sizeOf(part, in []byte) (int, bool) {
	if len(part) >= recordHead {
		return recordSize(part)
	}
	var head [recordHead]byte
	n := copy(head[:], part)
	return recordSize(head[:n+copy(head[n:], in)])
}

// appendPart appends to what is kept, with room for a quarter more: what a client sends in small pieces is not copied again
// with each, and a half record takes little more than its bytes.
func appendPart(part, in []byte) []byte {
	if need := len(part) + len(in); need > cap(part) {
		part = append(make([]byte, 0, need+need/4), part...)
	}
	return append(part, in...)
}
