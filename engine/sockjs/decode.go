package sockjs

import (
	"errors"
	"unicode/utf8"
)

// ErrBroken is a client's input that is neither an array of strings nor a string, in JSON.
var ErrBroken = errors.New("neither an array of strings nor a string in JSON")

// Decoder reads what a client sends, an array of strings or a string in JSON, as it arrives. The zero value stands at the
// beginning. It needs no memory, whatever the client sends: the strings are a stream, and where one ends is not kept.
type Decoder struct {
	state  decoderState
	string bool   // there is no array
	digits uint8  // of an escape that have yet to come
	unit   uint16 // those that have come
	high   uint16 // half a character: a surrogate that has to be followed by another; 0 none
}

type decoderState uint8

const (
	atStart  decoderState = iota
	atFirst               // behind [
	atValue               // behind a comma
	inString              //
	inEscape              // behind a backslash
	inUnit                // behind \u
	atComma               // behind a string of an array
	atEnd                 // only white space may follow
)

// Pending reports whether the input so far ends within an escape. Else Append may be given a dst that begins where its input
// does: what it appends is never longer than what it has read.
func (d *Decoder) Pending() bool { return d.state == inEscape || d.state == inUnit || d.high != 0 }

// Idle reports whether d stands at the beginning.
func (d *Decoder) Idle() bool { return *d == Decoder{} }

// Append reads p, which is valid UTF-8 together with what comes behind it, and appends the strings in it. Half a surrogate
// pair becomes U+FFFD, as everywhere in Go.
func (d *Decoder) Append(dst, p []byte) ([]byte, error) {
	for i := 0; i < len(p); {
		if d.state == inString && d.high == 0 {
			run := i
			for run < len(p) && inside[p[run]] {
				run++
			}
			dst = append(dst, p[i:run]...)
			if i = run; i == len(p) {
				break
			}
		}
		var ok bool
		if dst, ok = d.step(dst, p[i]); !ok {
			return dst, ErrBroken
		}
		i++
	}
	return dst, nil
}

// inside has the bytes that stand for themselves in a string.
var inside = func() (m [256]bool) {
	for c := range m {
		m[c] = c >= ' ' && c != '"' && c != '\\'
	}
	return m
}()

// End reports whether the input is complete, and begins again. No input at all is complete.
func (d *Decoder) End() error {
	state := d.state
	*d = Decoder{}
	if state != atStart && state != atEnd {
		return ErrBroken
	}
	return nil
}

// step reads one byte.
func (d *Decoder) step(dst []byte, c byte) (_ []byte, ok bool) {
	switch d.state {
	case inString:
		return d.inString(dst, c)
	case inEscape:
		return d.escape(dst, c)
	case inUnit:
		return d.hex(dst, c)
	}
	switch {
	case c == ' ', c == '\t', c == '\n', c == '\r':
	case c == '"' && d.state <= atValue:
		d.string = d.state == atStart
		d.state = inString
	case c == '[' && d.state == atStart:
		d.state = atFirst
	case c == ',' && d.state == atComma:
		d.state = atValue
	case c == ']' && (d.state == atComma || d.state == atFirst):
		d.state = atEnd
	default:
		return dst, false
	}
	return dst, true
}

func (d *Decoder) inString(dst []byte, c byte) (_ []byte, ok bool) {
	switch {
	case c == '\\':
		d.state = inEscape
		return dst, true
	case c < ' ':
		return dst, false
	}
	dst = d.alone(dst)
	switch {
	case c != '"':
		dst = append(dst, c)
	case d.string:
		d.state = atEnd
	default:
		d.state = atComma
	}
	return dst, true
}

var escapes = [256]byte{'b': '\b', 't': '\t', 'n': '\n', 'f': '\f', 'r': '\r', '"': '"', '\\': '\\', '/': '/'}

func (d *Decoder) escape(dst []byte, c byte) (_ []byte, ok bool) {
	if c == 'u' {
		d.state, d.digits, d.unit = inUnit, 4, 0
		return dst, true
	}
	e := escapes[c]
	if e == 0 {
		return dst, false
	}
	d.state = inString
	return append(d.alone(dst), e), true
}

func (d *Decoder) hex(dst []byte, c byte) (_ []byte, ok bool) {
	switch {
	case c >= '0' && c <= '9':
		c -= '0'
	case c >= 'a' && c <= 'f':
		c -= 'a' - 10
	case c >= 'A' && c <= 'F':
		c -= 'A' - 10
	default:
		return dst, false
	}
	d.unit = d.unit<<4 | uint16(c)
	if d.digits--; d.digits > 0 {
		return dst, true
	}
	d.state = inString
	u := d.unit
	d.unit = 0
	switch {
	case u >= 0xDC00 && u <= 0xDFFF && d.high != 0:
		r := rune(d.high-0xD800)<<10 | rune(u-0xDC00)
		d.high = 0
		return utf8.AppendRune(dst, 0x10000+r), true
	case u >= 0xD800 && u <= 0xDBFF:
		dst = d.alone(dst)
		d.high = u
		return dst, true
	}
	return utf8.AppendRune(d.alone(dst), rune(u)), true // U+FFFD for a low surrogate
}

// alone ends half a character whose other half did not come.
func (d *Decoder) alone(dst []byte) []byte {
	if d.high == 0 {
		return dst
	}
	d.high = 0
	return utf8.AppendRune(dst, utf8.RuneError)
}
