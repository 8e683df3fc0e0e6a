package websocket

import (
	"testing"
	"unicode/utf8"
)

// TestTextSteps compares the automaton with unicode/utf8 over everything of up to four bytes that can differ.
func TestTextSteps(t *testing.T) {
	edges := []byte{0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF}
	check := func(p []byte) {
		bytewise := boundary
		for _, c := range p {
			if bytewise = bytewise.step(c); bytewise == invalid {
				break
			}
		}
		if (bytewise == boundary) != utf8.Valid(p) {
			t.Errorf("%x: state %d", p, bytewise)
		}
		for cut := range len(p) + 1 {
			state := boundary.advance(p[:cut])
			if state != invalid {
				state = state.advance(p[cut:])
			}
			if state != bytewise {
				t.Errorf("%x cut at %d: state %d, want %d", p, cut, state, bytewise)
			}
		}
	}
	for _, a := range edges {
		check([]byte{a})
		for _, b := range edges {
			check([]byte{a, b})
			for _, c := range edges {
				check([]byte{a, b, c})
				for _, d := range edges {
					check([]byte{a, b, c, d})
				}
			}
		}
	}
}
