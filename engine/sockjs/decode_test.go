package sockjs

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// decode reads input in pieces of so many bytes, each in place where that is allowed.
func decode(input string, size int) (string, error) {
	var d Decoder
	var out []byte
	for len(input) > 0 {
		piece := []byte(input[:min(size, len(input))])
		input = input[len(piece):]
		dst := []byte(nil)
		if !d.Pending() {
			dst = piece[:0]
		}
		got, err := d.Append(dst, piece)
		if err != nil {
			return "", err
		}
		if dst != nil && len(got) > len(piece) {
			panic("longer than its input")
		}
		out = append(out, got...)
	}
	return string(out), d.End()
}

// allWays reads input whole, halved and byte by byte.
func allWays(t *testing.T, input string) (string, error) {
	t.Helper()
	whole, err := decode(input, len(input)+1)
	for _, size := range []int{1, 2, 3, (len(input) + 1) / 2} {
		if got, other := decode(input, max(1, size)); got != whole || other != err {
			t.Fatalf("%q by %d: %q, %v; whole %q, %v", input, size, got, other, whole, err)
		}
	}
	return whole, err
}

func TestDecode(t *testing.T) {
	for input, want := range map[string]string{
		``: ``, `[]`: ``, `["a"]`: `a`, `["a","b"]`: `ab`, ` [ "a" , "b" ] `: `ab`, `"a"`: `a`, "\t\"a\"\r\n": `a`, `["",""]`: ``,
		`["\u0000\n\"\\\/\b\f\r\t"]`: "\x00\n\"\\/\b\f\r\t", `["é€😀"]`: "é€😀", `["\u00e9\u20AC\ud83d\ude00"]`: "é€😀",
		`["\ud83d"]`: "\ufffd", `["\ude00"]`: "\ufffd", `["\ud83da"]`: "\ufffda", `["\ud83d\n"]`: "\ufffd\n", `["\ud83d\u0041"]`: "\ufffdA",
		`["\ud83d\ud83d\ude00"]`: "\ufffd😀", `["\ud83d","\ude00"]`: "\ufffd\ufffd", `["\ud83d€"]`: "\ufffd€",
	} {
		if got, err := allWays(t, input); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", input, got, err, want)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, input := range []string{
		`[`, `["a`, `["a"`, `["a",`, `["a",]`, `[,"a"]`, `["a""b"]`, `["a"]x`, `["a"]["b"]`, `"a""b"`, `"a",`, `"a`, `]`, `,`, `a`, `null`, `[null]`, `[1]`, `1`, `{}`,
		`[{}]`, `[["a"]]`, `["\x"]`, `["\u12"]`, `["\u12g4"]`, "[\"\n\"]", "[\"\x00\"]", `['a']`, `["a" "b"]`, "\ufeff[]", strings.Repeat("[", 100_000), `["\`, `["\u123`, `["\ud83d`,
	} {
		if got, err := allWays(t, input); err != ErrBroken {
			t.Errorf("%.50s: %q, %v", input, got, err)
		}
	}
}

// A decoder goes on with the next message.
func TestDecoderBeginsAgain(t *testing.T) {
	var d Decoder
	for range 2 {
		if got, err := d.Append(nil, []byte(`["a"]`)); string(got) != "a" || err != nil || d.Idle() || d.End() != nil || !d.Idle() {
			t.Errorf("%q, %v", got, err)
		}
	}
}

// FuzzDecode compares with encoding/json, in pieces of any size.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{`["a\u20ac","\ud83d\ude00"]`, `"a"`, `[]`, `["\ud83d\ud83d"]`, `["a",]`} {
		f.Add(s, uint8(3))
	}
	f.Fuzz(func(t *testing.T, input string, size uint8) {
		if !utf8.ValidString(input) {
			return
		}
		whole, err := decode(input, len(input)+1)
		if got, other := decode(input, max(1, int(size))); got != whole || other != err {
			t.Fatalf("by %d: %q, %v; whole %q, %v", size, got, other, whole, err)
		}
		if err != nil {
			whole = ""
		}
		var list []*string
		var single *string
		switch {
		case input == "":
			return
		case json.Unmarshal([]byte(input), &list) == nil && list != nil && strings.TrimLeft(input, " \t\r\n")[0] == '[':
			want := ""
			for _, s := range list {
				if s == nil { // null
					if err == nil {
						t.Fatalf("null was taken")
					}
					return
				}
				want += *s
			}
			if err != nil || whole != want {
				t.Fatalf("%q, %v; want %q", whole, err, want)
			}
		case json.Unmarshal([]byte(input), &single) == nil && single != nil:
			if err != nil || whole != *single {
				t.Fatalf("%q, %v; want %q", whole, err, *single)
			}
		case err == nil && strings.TrimLeft(input, " \t\r\n") != "":
			t.Fatalf("taken as %q", whole)
		}
	})
}

// What one client wrote, another reads: the server's escape is the client's too.
func FuzzRoundTrip(f *testing.F) {
	f.Add("a\"\u2028b\x00\n😀", uint8(2))
	f.Fuzz(func(t *testing.T, text string, size uint8) {
		if !utf8.ValidString(text) {
			return
		}
		got, err := decode(string(AppendMessage(nil, []byte(text))[1:]), max(1, int(size)))
		if err != nil || got != text {
			t.Fatalf("%q, %v", got, err)
		}
	})
}

func TestDecodeAllocates(t *testing.T) {
	input := []byte(`["SEND\ndestination:/app/x\n\n{\"a\":\"\u20ac\"}\u0000"]`)
	scratch := make([]byte, len(input))
	var d Decoder
	if n := testing.AllocsPerRun(10, func() {
		copy(scratch, input)
		if _, err := d.Append(scratch[:0], scratch); err != nil || d.End() != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
