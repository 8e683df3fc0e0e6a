package deflate

import (
	"compress/flate"
	"encoding/binary"
)

// Stored blocks (RFC 1951 section 3.2.4) begin with StoredHeader bytes and have at most MaxStored bytes of content.
const (
	StoredHeader = 5
	MaxStored    = 0xFFFF
)

// AppendStored appends the header of a stored block with n bytes, at most MaxStored, which follow it. A message may begin
// with it: other blocks follow.
func AppendStored(dst []byte, n int) []byte {
	dst = append(dst, 0)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(n))
	return binary.LittleEndian.AppendUint16(dst, ^uint16(n))
}

// Packer compresses with an empty window. It is some 800 KB, from its first use on, and is used by one goroutine at a time.
type Packer struct {
	writer *flate.Writer
	out    appender
}

// Pack appends parts, compressed as one: blocks that a message may end with, behind stored ones or alone. The last four
// bytes of their flush are cut off (RFC 7692 section 7.2.1).
func (p *Packer) Pack(dst []byte, parts ...[]byte) []byte {
	p.out.buf = dst
	if p.writer == nil {
		p.writer, _ = flate.NewWriter(&p.out, flate.BestSpeed) // which fails only for a level that does not exist
	} else {
		p.writer.Reset(&p.out)
	}
	for _, part := range parts {
		_, _ = p.writer.Write(part) // an appender does not fail
	}
	_ = p.writer.Flush()
	dst, p.out.buf = p.out.buf, nil
	const cut = len("\x00\x00\xff\xff")
	return dst[:len(dst)-cut]
}

type appender struct{ buf []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.buf = append(a.buf, p...)
	return len(p), nil
}
