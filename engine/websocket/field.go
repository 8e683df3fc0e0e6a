package websocket

import (
	"bytes"
	"encoding/binary"
	"unsafe"
)

// fields reads the header lines of a request or an answer, strictly (RFC 9112 section 5): CR LF ends each, a name is
// a token with the colon right behind it, no line is folded, no value has a control character other than a tab.
type fields struct {
	rest     []byte   // lines that have yet to be read, with the empty one at the end
	left     int      // how many lines may still come
	value    []byte   // of the last line, without white space around it; aliases the input
	nameSize int      // of the last line
	nameText [32]byte // of the last line, in lower case
}

// name returns the name of the last line, in lower case. It is cut where it is longer than any that matters here.
func (f *fields) name() []byte { return f.nameText[:f.nameSize] }

// maxFields bounds the lines of one header block, so that joining repeated ones stays cheap.
const maxFields = 100

// What is wrong with a header block.
const (
	badLine   = "A header line does not end in CR LF."
	badName   = "A header line is not a name, a colon and a value."
	badFold   = "A header line begins with white space. Send each header on one line."
	badValue  = "A header value has a control character."
	badAmount = "There are more than 100 header lines."
)

// next reads one line. It returns false at the empty line, and at a line that is wrong with what is wrong.
func (f *fields) next() (ok bool, wrong string) {
	line, rest, wrong := cutLine(f.rest)
	if wrong != "" || len(line) == 0 {
		return false, wrong
	}
	f.rest = rest
	if f.left--; f.left < 0 {
		return false, badAmount
	}
	if isSpace(line[0]) {
		return false, badFold
	}
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return false, badName
	}
	f.nameSize = 0
	for _, c := range line[:colon] {
		if c = lower[c]; c == 0 {
			return false, badName
		}
		if f.nameSize < len(f.nameText) {
			f.nameText[f.nameSize] = c
			f.nameSize++
		}
	}
	f.value = trimSpace(line[colon+1:])
	if hasControl(f.value) {
		return false, badValue
	}
	return true, ""
}

// hasControl reports whether b has a control character other than a tab.
func hasControl(b []byte) bool {
	const ones, highs, spaces, deletes = 0x0101010101010101, 0x8080808080808080, 0x2020202020202020, 0x7F7F7F7F7F7F7F7F
	for len(b) >= 8 {
		x := binary.LittleEndian.Uint64(b)
		below, equal := (x-spaces)&^x, ((x^deletes)-ones)&^(x^deletes) // the high bits of the bytes for which it is true
		if (below|equal)&highs != 0 {
			break
		}
		b = b[8:]
	}
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7F {
			return true
		}
	}
	return false
}

// blockEnd returns the length of the header block at the start of b, its empty line included, or 0 when its end has not
// arrived. An earlier call has seen the first scanned bytes. LF alone counts as the end of a line here, so that cutLine
// refuses it and its sender does not wait.
func blockEnd(b []byte, scanned int) int {
	for at := max(scanned-2, 0); ; {
		i := bytes.IndexByte(b[min(at, len(b)):], '\n')
		if i < 0 {
			return 0
		}
		at += i + 1
		switch {
		case at < len(b) && b[at] == '\n':
			return at + 1
		case at+1 < len(b) && b[at] == '\r' && b[at+1] == '\n':
			return at + 2
		}
	}
}

// cutLine splits b behind its first line, which is returned without its CR LF.
func cutLine(b []byte) (line, rest []byte, wrong string) {
	lf := bytes.IndexByte(b, '\n')
	if lf < 1 || b[lf-1] != '\r' {
		return nil, nil, badLine
	}
	return b[:lf-1], b[lf+1:], ""
}

// lower maps each character of a token (RFC 9110 section 5.6.2) to itself in lower case and all others to 0.
var lower = func() (t [256]byte) {
	for c := byte('0'); c <= '9'; c++ {
		t[c] = c
	}
	for c := byte('a'); c <= 'z'; c++ {
		t[c], t[c-'a'+'A'] = c, c
	}
	for _, c := range []byte("!#$%&'*+-.^_`|~") {
		t[c] = c
	}
	return t
}()

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

func trimSpace(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

// cutElement splits a list at its first comma (RFC 9110 section 5.6.1).
func cutElement(list []byte) (element, rest []byte) {
	element, rest, _ = bytes.Cut(list, comma)
	return trimSpace(element), rest
}

var comma = []byte{','}

// hasToken reports whether list has the token, which is given in lower case.
func hasToken(list []byte, token string) bool {
	for len(list) > 0 {
		var element []byte
		element, list = cutElement(list)
		if equalFold(element, token) {
			return true
		}
	}
	return false
}

// equalFold compares tokens; bytes.EqualFold would let the Kelvin sign pass for a k.
func equalFold(b []byte, token string) bool {
	if len(b) != len(token) {
		return false
	}
	for i, c := range b {
		if lower[c] != token[i] {
			return false
		}
	}
	return true
}

// alias is b as a string, without a copy: it changes when b does.
func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
