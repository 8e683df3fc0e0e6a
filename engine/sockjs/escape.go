package sockjs

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// SockJS wants more escaped than JSON does: old browsers change some characters on their way to the page. What is escaped here
// is what Spring escapes: control characters, U+200C to U+200F, U+2028 to U+202F, U+2060 to U+206F, U+FFF0 to U+FFFF, and
// everything outside the basic plane, as surrogates.

// What a byte means for the escape of a string: how many bytes stand for it, or that the bytes behind it matter too.
const (
	asItIs    = 1
	short     = 2   // a backslash and a letter
	control   = 6   // \u00XX
	pair      = 12  // the first of four bytes, which become two escapes
	maybe     = 128 // the first of three bytes, of which some are escaped
	unit      = 6   // \uXXXX
	pairBytes = 4   // of UTF-8
	unitBytes = 3   // of UTF-8
	hexDigits = "0123456789abcdef"
)

var meaning = func() (m [256]uint8) {
	for c := range m {
		switch {
		case c < ' ':
			m[c] = control
		case c == 0xE2 || c == 0xEF:
			m[c] = maybe
		case c >= 0xF0 && c <= 0xF4:
			m[c] = pair
		default:
			m[c] = asItIs
		}
	}
	for _, c := range "\b\t\n\f\r\"\\" {
		m[c] = short
	}
	return m
}()

var letter = [256]byte{'\b': 'b', '\t': 't', '\n': 'n', '\f': 'f', '\r': 'r', '"': '"', '\\': '\\'}

// one returns how many bytes of p, which is not empty, are its first character, and how many stand for it. Ones that are
// not escaped count a byte at a time.
func one(p []byte) (size, escaped int) {
	switch m := meaning[p[0]]; m {
	case maybe:
		if len(p) >= unitBytes && escapedUnit(p) {
			return unitBytes, unit
		}
		return 1, 1
	case pair:
		if len(p) >= pairBytes {
			return pairBytes, pair
		}
		return 1, 1
	default:
		return 1, int(m)
	}
}

// escapedUnit reports whether a character of three bytes that begins with E2 or EF is escaped.
func escapedUnit(p []byte) bool {
	switch {
	case p[0] == 0xEF: // U+FFF0 to U+FFFF
		return p[1] == 0xBF && p[2] >= 0xB0
	case p[1] == 0x80: // U+200C to U+200F, U+2028 to U+202F
		return p[2] >= 0x8C && p[2] <= 0x8F || p[2] >= 0xA8 && p[2] <= 0xAF
	case p[1] == 0x81: // U+2060 to U+206F
		return p[2] >= 0xA0 && p[2] <= 0xAF
	}
	return false
}

// Len returns the length of what Append appends. Pushes may be large, so it looks at eight bytes at a time where none of them
// needs more than a backslash: that takes half of the time.
func Len(p []byte) int {
	n := len(p)
	for i := 0; i < len(p); {
		if i+8 <= len(p) {
			if more, ok := backslashes(binary.LittleEndian.Uint64(p[i:])); ok {
				n += more
				i += 8
				continue
			}
		}
		for end := min(i+8, len(p)); i < end; {
			size, escaped := one(p[i:])
			n += escaped - size
			i += size
		}
	}
	return n
}

const (
	each = 0x0101010101010101 // one in each byte of a word
	high = 0x8080808080808080
)

// backslashes returns how many bytes of a word need a backslash, if all of them need that or nothing.
func backslashes(w uint64) (n int, ok bool) {
	ascii := w &^ high
	beyond := w & high
	control := ^(ascii + (0x80-' ')*each) & high &^ beyond // below a space
	four := w & (w << 1) & (w << 2) & (w << 3) & high      // F0 to FF
	if control|four|equal(w, 0xE2)|equal(w, 0xEF) != 0 {
		return 0, false
	}
	return bits.OnesCount64(equal(w, '"') | equal(w, '\\')), true
}

// equal has the high bit set of each byte of w that is c.
func equal(w uint64, c uint64) uint64 {
	x := w ^ c*each
	return ^((x&^uint64(high) + 0x7F*each) | x) & high
}

// Append appends p, which is UTF-8, as the inside of a JSON string.
func Append(dst, p []byte) []byte {
	dst, _ = AppendUpTo(dst, p, int(^uint(0)>>1))
	return dst
}

// AppendUpTo is Append that ends as soon as dst has most bytes or more, and never within an escape. It returns how many bytes of
// p it has used. dst is then less than 12 bytes longer than most.
func AppendUpTo(dst, p []byte, most int) (_ []byte, used int) {
	for used < len(p) && len(dst) < most {
		if cap(dst)-len(dst) < pair {
			dst = slices.Grow(dst, min(len(p)-used, most-len(dst))+pair)
		}
		room := dst[:cap(dst)]
		at, stop := len(dst), min(most, cap(dst)-pair+1)
		for used < len(p) && at < stop {
			c := p[used]
			if meaning[c] == asItIs {
				room[at] = c
				at++
				used++
				continue
			}
			size, escaped := one(p[used:])
			if escaped == size {
				room[at] = c
			} else {
				putEscape(room[at:at+escaped], p[used:used+size])
			}
			at += escaped
			used += size
		}
		dst = dst[:at]
	}
	return dst, used
}

// Skip returns how many bytes of p the first n bytes of what Append appends stand for, and how many of these n are left: they
// belong to the escape of the character that follows, or to what is behind p.
func Skip(p []byte, n int) (used, left int) {
	for n > 0 && used < len(p) {
		size, escaped := one(p[used:])
		if escaped > n {
			break
		}
		n -= escaped
		used += size
	}
	return used, n
}

// putEscape writes the escape of one character, which dst has just room for.
func putEscape(dst, c []byte) {
	switch len(c) {
	case 1:
		if len(dst) == short {
			dst[0], dst[1] = '\\', letter[c[0]]
			return
		}
		putUnit(dst, uint16(c[0]))
	case unitBytes:
		putUnit(dst, uint16(c[0]&0x0F)<<12|uint16(c[1]&0x3F)<<6|uint16(c[2]&0x3F))
	default:
		r := rune(c[0]&0x07)<<18 | rune(c[1]&0x3F)<<12 | rune(c[2]&0x3F)<<6 | rune(c[3]&0x3F)
		r -= 0x10000
		putUnit(dst, 0xD800|uint16(r>>10))
		putUnit(dst[unit:], 0xDC00|uint16(r&0x3FF))
	}
}

func putUnit(dst []byte, u uint16) {
	_ = dst[unit-1]
	dst[0], dst[1], dst[2], dst[3], dst[4], dst[5] = '\\', 'u', hexDigits[u>>12], hexDigits[u>>8&15], hexDigits[u>>4&15], hexDigits[u&15]
}
