package conformance

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestFraming is section 1: messages of all lengths at which the form of a frame's header changes.
func TestFraming(t *testing.T) {
	var all []conversation
	for _, size := range []int{0, 1, 125, 126, 127, 128, 65535, 65536, 65537} {
		s, b := strings.Repeat("*", size), strings.Repeat("\xFE", size)
		all = append(all,
			each(fmt.Sprint("text of ", size), s),
			conversation{fmt.Sprint("binary of ", size), [][]byte{frame(fin|opBinary, b)}, []string{blob(b)}},
			conversation{fmt.Sprint("by 997, text of ", size), chop(message(s), 997), []string{text(s)}},
			conversation{fmt.Sprint("by 997, binary of ", size), chop(frame(fin|opBinary, b), 997), []string{blob(b)}})
	}
	converse(t, all)
}

// TestPings is section 2.
func TestPings(t *testing.T) {
	long := strings.Repeat("\xFE", 125)
	tens, pongs := [][]byte(nil), []string(nil)
	for i := range 10 {
		tens, pongs = append(tens, ping(fmt.Sprint("ping ", i))), append(pongs, fmt.Sprint("pong ping ", i))
	}
	converse(t, []conversation{
		{"empty", [][]byte{ping("")}, []string{"pong "}},
		{"text", [][]byte{ping("Hello, world!")}, []string{"pong Hello, world!"}},
		{"binary", [][]byte{ping("\x00\xFF\xFE\xFD\x00\xFF")}, []string{"pong \x00\xFF\xFE\xFD\x00\xFF"}},
		{"125", [][]byte{ping(long)}, []string{"pong " + long}},
		{"octets", chop(ping(long), 1), []string{"pong " + long}},
		failing("126", 1002, nil, ping(long+"\xFE")),
		failing("126, as the header", 1002, nil, ping(long + "\xFE")[:2]),
		{"pong", [][]byte{frame(fin|opPong, "")}, nil},
		{"pong with text", [][]byte{frame(fin|opPong, "unasked")}, nil},
		{"pong and ping", [][]byte{frame(fin|opPong, "unasked"), ping("asked")}, []string{"pong asked"}},
		{"ten", tens, pongs},
		{"ten in octets", chop(bytes.Join(tens, nil), 1), pongs},
	})
}

// TestReservedBits is section 3.
func TestReservedBits(t *testing.T) {
	hello, seen := message("Hello, world!"), []string{text("Hello, world!")}
	all := []conversation{
		failing("ping", 1002, nil, frame(fin|6<<4|opPing, "p")),
		failing("close", 1002, nil, frame(fin|7<<4|opClose, "")),
		failing("binary", 1002, nil, frame(fin|5<<4|opBinary, "\x00\xFF")),
		failing("octets", 1002, seen, chop(bytes.Join([][]byte{hello, frame(fin|4<<4|opText, "x"), ping("")}, nil), 1)...),
		failing("in a continuation", 1002, nil, frame(opText, "a"), frame(fin|1<<4|opContinue, "b")),
	}
	for rsv := byte(1); rsv < 8; rsv++ {
		all = append(all,
			failing(fmt.Sprint("first ", rsv), 1002, nil, frame(fin|rsv<<4|opText, "x")),
			failing(fmt.Sprint("later ", rsv), 1002, seen, hello, frame(fin|rsv<<4|opText, "x"), ping("")))
	}
	converse(t, all)
}

// TestReservedOpcodes is section 4.
func TestReservedOpcodes(t *testing.T) {
	hello, seen := message("Hello, world!"), []string{text("Hello, world!")}
	var all []conversation
	for _, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		all = append(all,
			failing(fmt.Sprint(op, " empty"), 1002, nil, frame(fin|op, "")),
			failing(fmt.Sprint(op, " with text"), 1002, nil, frame(fin|op, "reserved")),
			failing(fmt.Sprint(op, " later"), 1002, seen, hello, frame(fin|op, "x"), ping("")),
			failing(fmt.Sprint(op, " later, in octets"), 1002, seen, chop(bytes.Join([][]byte{hello, frame(fin|op, "xy"), ping("")}, nil), 1)...))
	}
	converse(t, all)
}

// TestFragmentation is section 5.
func TestFragmentation(t *testing.T) {
	two := fragments(opText, "fragment1", "fragment2")
	whole := []string{text("fragment1fragment2")}
	mixed := slices.Insert(slices.Clone(two), 1, ping("between"))
	mixedSeen := append([]string{"pong between"}, whole...)
	parts := fragments(opText, "fragment1", "fragment2", "fragment3", "fragment4", "fragment5")
	five := slices.Insert(slices.Clone(parts), 4, ping("second"))
	five = slices.Insert(five, 2, ping("first"), frame(fin|opPong, "unasked"))
	fiveSeen := []string{"pong first", "pong second", text("fragment1fragment2fragment3fragment4fragment5")}
	lost, last := frame(opContinue, "lost"), frame(fin|opContinue, "lost")
	hello := message("Hello, world!")
	bytesOf := func(frames [][]byte) [][]byte { return chop(bytes.Join(frames, nil), 1) }
	converse(t, []conversation{
		failing("ping", 1002, nil, frame(opPing, "a"), frame(fin|opContinue, "b")),
		failing("pong", 1002, nil, frame(opPong, "a"), frame(fin|opContinue, "b")),
		failing("close", 1002, nil, frame(opClose, "\x03\xE8")),
		{"two", two, whole},
		{"two in octets", bytesOf(two), whole},
		{"binary", fragments(opBinary, "\x00", "", "\xFF"), []string{blob("\x00\xFF")}},
		{"empty ones", fragments(opText, "", "", "a", "", ""), []string{text("a")}},
		{"all empty", fragments(opText, "", "", ""), []string{text("")}},
		{"ping between", mixed, mixedSeen},
		{"ping between, in octets", bytesOf(mixed), mixedSeen},
		failing("continuation of nothing", 1002, nil, last, hello),
		failing("continuation of nothing, in octets", 1002, nil, bytesOf([][]byte{last, hello})...),
		failing("unfinished continuation of nothing", 1002, nil, lost, hello),
		failing("continuation behind a message", 1002, whole, two[0], two[1], lost, hello),
		failing("continuation behind a message of one frame", 1002, []string{text("Hello, world!")}, hello, last),
		failing("a message within a message", 1002, nil, two[0], message("fragment2")),
		failing("another opcode within a message", 1002, nil, two[0], frame(opBinary, "b")),
		{"five", five, fiveSeen},
		{"five in octets", bytesOf(five), fiveSeen},
	})
}

// TestMasking: a client has to mask, the empty payload too (RFC 6455 section 5.1).
func TestMasking(t *testing.T) {
	zero := message("Hello, world!")
	for i := range 4 {
		zero[2+i] = 0
	}
	copy(zero[6:], "Hello, world!")
	converse(t, []conversation{
		failing("text", 1002, nil, []byte("\x81\x05Hello")),
		failing("empty", 1002, nil, []byte("\x81\x00")),
		failing("ping", 1002, nil, []byte("\x89\x00")),
		{"a mask of zeros", [][]byte{zero}, []string{text("Hello, world!")}},
	})
}

// TestLengths: a length takes the shortest form, and its first bit is 0 (RFC 6455 section 5.2).
func TestLengths(t *testing.T) {
	converse(t, []conversation{
		failing("125 in 16 bits", 1002, nil, []byte("\x82\xFE\x00\x7Dmask")),
		failing("65535 in 64 bits", 1002, nil, []byte("\x82\xFF\x00\x00\x00\x00\x00\x00\xFF\xFFmask")),
		failing("first bit", 1002, nil, []byte("\x82\xFF\x80\x00\x00\x00\x00\x01\x00\x00mask")),
		failing("all bits but the first", 1009, nil, []byte("\x82\xFF\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFFmask")),
	})
}
