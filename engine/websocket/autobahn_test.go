package websocket

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// conformance is one case of the Autobahn test suite at the level of Reader: what the client sends, and the events and
// the close code that must come of it.
type conformance struct {
	id   string
	send [][]byte // frames, or the parts of frames in which the suite sends them
	want []string
}

func TestAutobahn(t *testing.T) {
	cases := slices.Concat(framing(), pings(), reservedBits(), opcodes(), fragmentation(), utf8Handling(), closeHandling())
	for _, c := range cases {
		whole := concat(c.send...)
		chunkings := map[string][][]byte{
			"whole":  {whole},
			"sent":   c.send,
			"halves": {whole[:len(whole)/2], whole[len(whole)/2:]},
			"octets": octets(whole),
			"997":    chop(whole, 997),
		}
		for name, chunks := range chunkings {
			t.Run(c.id+"/"+name, func(t *testing.T) {
				got, _ := read(t, new(Reader), noLimit, chunks)
				if !slices.Equal(got, c.want) {
					t.Errorf("got  %q\nwant %q", got, c.want)
				}
			})
		}
	}
}

func framing() (cases []conformance) {
	for i, size := range []int{0, 125, 126, 127, 128, 65535, 65536} {
		payload := strings.Repeat("*", size)
		binary := strings.Repeat("\xFE", size)
		cases = append(cases,
			conformance{fmt.Sprintf("1.1.%d", i+1), [][]byte{text(payload)}, []string{"text " + abridge([]byte(payload))}},
			conformance{fmt.Sprintf("1.2.%d", i+1), [][]byte{frame(0x82, binary)}, []string{"binary " + abridge([]byte(binary))}})
	}
	return cases
}

func pings() []conformance {
	tens := slices.Repeat([][]byte{ping("payload")}, 10)
	tenPings := slices.Repeat([]string{"ping payload"}, 10)
	long := strings.Repeat("\xFE", 125)
	return []conformance{
		{"2.1", [][]byte{ping("")}, []string{"ping "}},
		{"2.2", [][]byte{ping("Hello, world!")}, []string{"ping Hello, world!"}},
		{"2.3", [][]byte{ping("\x00\xFF\xFE\xFD\xFC\xFB\x00\xFF")}, []string{"ping \x00\xFF\xFE\xFD\xFC\xFB\x00\xFF"}},
		{"2.4", [][]byte{ping(long)}, []string{"ping " + abridge([]byte(long))}},
		{"2.5", [][]byte{ping(long + "\xFE")}, []string{"1002"}},
		{"2.6", octets(ping(long)), []string{"ping " + abridge([]byte(long))}},
		{"2.7", [][]byte{frame(0x8A, "")}, []string{"pong "}},
		{"2.8", [][]byte{frame(0x8A, "unsolicited pong payload")}, []string{"pong unsolicited pong payload"}},
		{"2.9", [][]byte{frame(0x8A, "unsolicited"), ping("ping payload")}, []string{"pong unsolicited", "ping ping payload"}},
		{"2.10", tens, tenPings},
		{"2.11", octets(concat(tens...)), tenPings},
	}
}

func reservedBits() []conformance {
	const small = "Hello, world!"
	first, firstSeen := text(small), "text "+small
	return []conformance{
		{"3.1", [][]byte{frame(0x81|1<<4, small)}, []string{"1002"}},
		{"3.2", [][]byte{first, frame(0x81|2<<4, small), ping("")}, []string{firstSeen, "1002"}},
		{"3.3", [][]byte{first, frame(0x81|3<<4, small), ping("")}, []string{firstSeen, "1002"}},
		{"3.4", octets(concat(first, frame(0x81|4<<4, small), ping(""))), []string{firstSeen, "1002"}},
		{"3.5", [][]byte{frame(0x82|5<<4, "\x00\xFF\xFE")}, []string{"1002"}},
		{"3.6", [][]byte{frame(0x89|6<<4, small)}, []string{"1002"}},
		{"3.7", [][]byte{frame(0x88|7<<4, "")}, []string{"1002"}},
	}
}

func opcodes() (cases []conformance) {
	const small = "Hello, world!"
	for section, base := range []byte{3, 11} {
		for i := range byte(5) {
			id, first := fmt.Sprintf("4.%d.%d", section+1, i+1), 0x80|(base+i)
			switch i {
			case 0:
				cases = append(cases, conformance{id, [][]byte{frame(first, "")}, []string{"1002"}})
			case 1:
				cases = append(cases, conformance{id, [][]byte{frame(first, "reserved opcode frame")}, []string{"1002"}})
			default:
				send := [][]byte{text(small), frame(first, strings.Repeat("x", int(i-2))), ping("")}
				cases = append(cases, conformance{id, send, []string{"text " + small, "1002"}})
			}
		}
	}
	return cases
}

func fragmentation() []conformance {
	one, two := frame(0x01, "fragment1"), frame(0x80, "fragment2")
	whole := "text fragment1fragment2"
	more := frame(0x00, "non-continuation payload")
	last := frame(0x80, "non-continuation payload")
	hello := text("Hello, world!")
	five := [][]byte{
		frame(0x01, "fragment1"), frame(0x00, "fragment2"), ping("pongme 1!"),
		frame(0x00, "fragment3"), frame(0x00, "fragment4"), ping("pongme 2!"), frame(0x80, "fragment5"),
	}
	fiveSeen := []string{"ping pongme 1!", "ping pongme 2!", "text " + abridge([]byte("fragment1fragment2fragment3fragment4fragment5"))}
	return []conformance{
		{"5.1", [][]byte{frame(0x09, "fragment1"), two}, []string{"1002"}},
		{"5.2", [][]byte{frame(0x0A, "fragment1"), two}, []string{"1002"}},
		{"5.3", [][]byte{one, two}, []string{whole}},
		{"5.4", [][]byte{concat(one, two)}, []string{whole}},
		{"5.5", octets(concat(one, two)), []string{whole}},
		{"5.6", [][]byte{one, ping("ping payload"), two}, []string{"ping ping payload", whole}},
		{"5.7", [][]byte{concat(one, ping("ping payload"), two)}, []string{"ping ping payload", whole}},
		{"5.8", octets(concat(one, ping("ping payload"), two)), []string{"ping ping payload", whole}},
		{"5.9", [][]byte{last, hello}, []string{"1002"}},
		{"5.10", [][]byte{concat(last, hello)}, []string{"1002"}},
		{"5.11", octets(concat(last, hello)), []string{"1002"}},
		{"5.12", [][]byte{more, hello}, []string{"1002"}},
		{"5.13", [][]byte{concat(more, hello)}, []string{"1002"}},
		{"5.14", octets(concat(more, hello)), []string{"1002"}},
		{"5.15", [][]byte{one, two, more, hello}, []string{whole, "1002"}},
		{"5.16", [][]byte{more, one, two, more, one, two}, []string{"1002"}},
		{"5.17", [][]byte{last, one, two, last, one, two}, []string{"1002"}},
		{"5.18", [][]byte{one, text("fragment2")}, []string{"1002"}},
		{"5.19", five, fiveSeen},
		{"5.20", octets(concat(five...)), fiveSeen},
	}
}

func utf8Handling() (cases []conformance) {
	const kosme = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"
	fragments := func(parts ...string) (frames [][]byte) {
		for i, p := range parts {
			first := byte(0x00)
			if i == 0 {
				first = 0x01
			}
			if i == len(parts)-1 {
				first |= 0x80
			}
			frames = append(frames, frame(first, p))
		}
		return frames
	}
	hello := "Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!"
	cases = []conformance{
		{"6.1.1", fragments(""), []string{"text "}},
		{"6.1.2", fragments("", "", ""), []string{"text "}},
		{"6.1.3", fragments("", "middle frame payload", ""), []string{"text middle frame payload"}},
		{"6.2.1", fragments(hello), []string{"text " + hello}},
		{"6.2.2", fragments(hello[:11], hello[11:]), []string{"text " + hello}},
		{"6.2.3", fragments(strings.Split(hello, "")...), []string{"text " + hello}},
		{"6.2.4", fragments(letters(kosme)...), []string{"text " + kosme}},
		{"6.3.1", fragments(kosme + "\xed\xa0\x80edited"), []string{"1007"}},
		{"6.3.2", fragments(letters(kosme + "\xed\xa0\x80edited")...), []string{"1007"}},
		{"6.4.1", fragments(kosme, "\xf4\x90\x80\x80", "edited"), []string{"1007"}},
		{"6.4.2", fragments(kosme+"\xf4", "\x90", "\x80\x80edited"), []string{"1007"}},
		{"6.4.3", chop(concat(fragments(kosme+"\xf4\x90\x80\x80edited")...), 17), []string{"1007"}},
		{"6.4.4", chop(concat(fragments(kosme+"\xf4\x90\x80\x80edited")...), 18), []string{"1007"}},
	}
	add := func(section int, ok bool, texts ...string) {
		for i, s := range texts {
			want := "text " + s
			if !ok {
				want = "1007"
			}
			id := fmt.Sprintf("6.%d.%d", section, i+1)
			cases = append(cases, conformance{id, [][]byte{text(s)}, []string{want}})
			if len(s) > 0 {
				cases = append(cases, conformance{id + "/fragments", fragments(letters(s)...), []string{want}})
			}
		}
	}
	add(5, true, kosme[:2], kosme[:5], kosme[:7], kosme[:9], kosme)
	add(6, false, kosme[:1], kosme[:3], kosme[:4], kosme[:6], kosme[:8], kosme[:10])
	// The same sections that Markus Kuhn's decoder stress test has.
	add(7, true, "\x00", "\xc2\x80", "\xe0\xa0\x80", "\xf0\x90\x80\x80")
	add(8, false, "\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80")
	add(9, true, "\x7f", "\xdf\xbf", "\xef\xbf\xbf", "\xf4\x8f\xbf\xbf")
	add(10, false, "\xf7\xbf\xbf\xbf", "\xfb\xbf\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf\xbf")
	add(11, true, "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbd", "\xf4\x8f\xbf\xbf")
	add(11, false, "\xf4\x90\x80\x80")
	add(12, false, "\x80", "\xbf", "\x80\xbf", "\x80\xbf\x80", "\x80\xbf\x80\xbf", "\x80\xbf\x80\xbf\x80", "\x80\xbf\x80\xbf\x80\xbf", everyContinuation())
	add(13, false, lonelyStarts(0xc0, 0xdf), lonelyStarts(0xe0, 0xef), lonelyStarts(0xf0, 0xf7), lonelyStarts(0xf8, 0xfb), lonelyStarts(0xfc, 0xfd))
	incomplete := []string{"\xc0", "\xe0\x80", "\xf0\x80\x80", "\xf8\x80\x80\x80", "\xfc\x80\x80\x80\x80", "\xdf", "\xef\xbf", "\xf7\xbf\xbf", "\xfb\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf"}
	add(14, false, incomplete...)
	add(15, false, strings.Join(incomplete, ""))
	add(16, false, "\xfe", "\xff", "\xfe\xfe\xff\xff")
	add(17, false, "\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xf8\x80\x80\x80\xaf", "\xfc\x80\x80\x80\x80\xaf")
	add(18, false, "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf8\x87\xbf\xbf\xbf", "\xfc\x83\xbf\xbf\xbf\xbf")
	add(19, false, "\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xf8\x80\x80\x80\x80", "\xfc\x80\x80\x80\x80\x80")
	add(20, false, "\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80", "\xed\xaf\xbf", "\xed\xb0\x80", "\xed\xbe\x80", "\xed\xbf\xbf")
	add(21, false, "\xed\xa0\x80\xed\xb0\x80", "\xed\xa0\x80\xed\xbf\xbf", "\xed\xad\xbf\xed\xb0\x80", "\xed\xad\xbf\xed\xbf\xbf",
		"\xed\xae\x80\xed\xb0\x80", "\xed\xae\x80\xed\xbf\xbf", "\xed\xaf\xbf\xed\xb0\x80", "\xed\xaf\xbf\xed\xbf\xbf")
	noncharacters := []string{"\xef\xbf\xbe", "\xef\xbf\xbf"}
	for plane := rune(1); plane <= 16; plane++ {
		noncharacters = append(noncharacters, string(plane<<16|0xFFFE), string(plane<<16|0xFFFF))
	}
	add(22, true, noncharacters...)
	add(23, true, "\xef\xbf\xb9", "\xef\xbf\xba", "\xef\xbf\xbb", "\xef\xbf\xbc", "\xef\xbf\xbd", "\xef\xbf\xbe", "\xef\xbf\xbf")
	return cases
}

// letters cuts s into its bytes.
func letters(s string) (parts []string) {
	for _, p := range octets([]byte(s)) {
		parts = append(parts, string(p))
	}
	return parts
}

func everyContinuation() string {
	var b []byte
	for c := 0x80; c <= 0xbf; c++ {
		b = append(b, byte(c))
	}
	return string(b)
}

func lonelyStarts(first, last byte) string {
	var b []byte
	for c := int(first); c <= int(last); c++ {
		b = append(b, byte(c), ' ')
	}
	return string(b)
}

func closeHandling() []conformance {
	const hello = "Hello World!"
	normal := closing(1000, "")
	big := strings.Repeat("BAsd7&jh23", 26<<10)
	cases := []conformance{
		{"7.1.1", [][]byte{text(hello), normal}, []string{"text " + hello, "close 1000 "}},
		{"7.1.2", [][]byte{normal, normal}, []string{"close 1000 "}},
		{"7.1.3", [][]byte{normal, ping("")}, []string{"close 1000 "}},
		{"7.1.4", [][]byte{normal, text(hello)}, []string{"close 1000 "}},
		{"7.1.5", [][]byte{frame(0x01, "fragment1"), normal, frame(0x80, "fragment2")}, []string{"close 1000 "}},
		{"7.1.6", [][]byte{text(big), text(hello), normal, ping("")}, []string{"text " + abridge([]byte(big)), "text " + hello, "close 1000 "}},
		{"7.3.1", [][]byte{frame(0x88, "")}, []string{"close 1005 "}},
		{"7.3.2", [][]byte{frame(0x88, "a")}, []string{"1002"}},
		{"7.3.3", [][]byte{normal}, []string{"close 1000 "}},
		{"7.3.4", [][]byte{closing(1000, hello)}, []string{"close 1000 " + hello}},
		{"7.3.5", [][]byte{closing(1000, strings.Repeat("*", 123))}, []string{"close 1000 " + strings.Repeat("*", 123)}},
		{"7.3.6", [][]byte{closing(1000, strings.Repeat("*", 124))}, []string{"1002"}},
		{"7.5.1", [][]byte{closing(1000, "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited")}, []string{"1007"}},
	}
	for i, code := range []uint16{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999} {
		cases = append(cases, conformance{fmt.Sprintf("7.7.%d", i+1), [][]byte{closing(code, "")}, []string{fmt.Sprintf("close %d ", code)}})
	}
	for i, code := range []uint16{0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999} {
		cases = append(cases, conformance{fmt.Sprintf("7.9.%d", i+1), [][]byte{closing(code, "")}, []string{"1002"}})
	}
	// Registered with IANA after the suite was written.
	for _, code := range []uint16{1012, 1013, 1014} {
		cases = append(cases, conformance{fmt.Sprintf("registered.%d", code), [][]byte{closing(code, "")}, []string{fmt.Sprintf("close %d ", code)}})
	}
	for i, code := range []uint16{5000, 65535, 1015} {
		cases = append(cases, conformance{fmt.Sprintf("7.13.%d", i+1), [][]byte{closing(code, "")}, []string{"1002"}})
	}
	return cases
}

// TestFailFast counts the octets after which Reader gives up: no valid text could go on as these do (6.4.x).
func TestFailFast(t *testing.T) {
	const header = 6
	for _, c := range []struct {
		payload string
		bad     int // index of the first byte that cannot be
	}{
		{"\xce\xba\xe1\xbd\xb9\xf4\x90\x80\x80edited", 6},
		{"abc\x80def", 3},
		{"abc\xc0\xaf", 3},
		{"\xed\xa0\x80edited", 1},
		{"\xe0\x80\x80", 1},
		{"\xf0\x80\x80\x80", 1},
		{"\xf5\x80", 0},
		{"a\xe2\x82zz", 3},
		{"\xf0\x9f\x98\xff", 3},
	} {
		whole := text(c.payload)
		var r Reader
		used := header
		if _, n, err := r.Next(bytes.Clone(whole[:header]), noLimit); n != header || err != nil {
			t.Fatalf("%q: header: %d, %v", c.payload, n, err)
		}
		var err error
		for err == nil && used < len(whole) {
			_, _, err = r.Next(bytes.Clone(whole[used:used+1]), noLimit)
			used++
		}
		if err == nil || used != header+c.bad+1 {
			t.Errorf("%q: error %v after %d bytes of payload, want one after %d", c.payload, err, used-header, c.bad+1)
		}
		// In one piece nothing of it is handed out.
		r = Reader{}
		if ev, n, err := r.Next(bytes.Clone(whole[:header+c.bad+1]), noLimit); err == nil || n != 0 || ev.Kind != 0 {
			t.Errorf("%q: in one piece: %v, %d, %v", c.payload, ev, n, err)
		}
	}
}
