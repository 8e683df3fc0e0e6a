package websocket

import "unicode/utf8"

// textState is where the UTF-8 check of a text message stands between two pieces: at a boundary of code points, or
// inside one with the bytes that may follow (RFC 3629 section 4). It rejects at the first byte that no valid text
// could have there.
type textState uint8

const (
	boundary textState = iota
	one                // one continuation byte is missing
	two
	three
	afterE0 // two are missing, and the first must not make the form overlong
	afterED // two are missing, and the first must not make a surrogate
	afterF0 // three are missing, and the first must not make the form overlong
	afterF4 // three are missing, and the first must not lead beyond U+10FFFF
	invalid
)

// follow has the range of the next byte of each state inside a code point, and the state after it.
var follow = [...]struct {
	low, high byte
	next      textState
}{
	one:     {0x80, 0xBF, boundary},
	two:     {0x80, 0xBF, one},
	three:   {0x80, 0xBF, two},
	afterE0: {0xA0, 0xBF, one},
	afterED: {0x80, 0x9F, one},
	afterF0: {0x90, 0xBF, two},
	afterF4: {0x80, 0x8F, two},
}

func (s textState) step(c byte) textState {
	if s != boundary {
		f := follow[s]
		if c < f.low || c > f.high {
			return invalid
		}
		return f.next
	}
	switch {
	case c < 0x80:
		return boundary
	case c < 0xC2:
		return invalid
	case c < 0xE0:
		return one
	case c == 0xE0:
		return afterE0
	case c == 0xED:
		return afterED
	case c < 0xF0:
		return two
	case c == 0xF0:
		return afterF0
	case c < 0xF4:
		return three
	case c == 0xF4:
		return afterF4
	default:
		return invalid
	}
}

// advance checks the next piece of a message. Only the code points that the piece's ends cut go through step; what
// lies between is left to utf8.Valid, which takes ASCII eight bytes at a time.
func (s textState) advance(p []byte) textState {
	for s != boundary && len(p) > 0 {
		if s = s.step(p[0]); s == invalid {
			return invalid
		}
		p = p[1:]
	}
	whole := len(p) - unfinished(p)
	if !utf8.Valid(p[:whole]) {
		return invalid
	}
	for _, c := range p[whole:] {
		s = s.step(c)
	}
	return s
}

// unfinished returns how many bytes at the end of p begin a code point that more bytes could complete.
func unfinished(p []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(p); n++ {
		if tail := p[len(p)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}
