package stomp

import "math"

// Header is one header line, unescaped. What Decode fills in aliases its input, or the decoder's scratch where
// something was escaped, and is valid until the next Decode.
type Header struct{ Name, Value []byte }

// Frame is one frame. What Decode fills in is valid until the next Decode.
type Frame struct {
	Command Command
	Headers []Header // in the order of the frame, repetitions included
	Body    []byte
}

// Get returns the value of the first header called name, and whether there is one.
func (f *Frame) Get(name string) ([]byte, bool) { return get(f.Headers, name) }

func get(headers []Header, name string) ([]byte, bool) {
	for i := range headers {
		if string(headers[i].Name) == name {
			return headers[i].Value, true
		}
	}
	return nil, false
}

// Limits bounds one frame; exceeding a bound is an Error with CodeTooLarge. A field of 0 sets no bound, but no frame is
// ever longer than 1 GiB, or has more than 65,535 headers.
type Limits struct {
	Headers     int // header lines
	LineBytes   int // of one header line, without its EOL
	HeaderBytes int // of all header lines, EOLs included
	BodyBytes   int
}

const (
	maxBytes   = 1 << 30
	maxHeaders = math.MaxUint16
)

func bound(limit, most int) int {
	if limit <= 0 || limit > most {
		return most
	}
	return limit
}

// Progress is what a connection keeps between two Decodes of one unfinished frame: how far it was searched, so that
// input that arrives one byte at a time costs only linear time. The zero value means that nothing was seen yet. Decode
// resets it when a frame is complete.
type Progress struct {
	scan   uint32 // bytes that were searched already
	line   uint32 // start of the first header line without an EOL; with inBody, of the body
	size   uint32 // of the whole frame, once known
	lines  uint16 // header lines that have ended
	inBody bool   // the body has begun, and a NUL ends it
}

// Need returns how many bytes the unfinished frame will have in total, 0 while that is not known.
func (p *Progress) Need() int { return int(p.size) }
