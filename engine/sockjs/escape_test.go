package sockjs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// everything has each character of the basic plane, and some beyond it.
func everything() string {
	var b strings.Builder
	for r := rune(0); r < 0x10000; r++ {
		if utf8.ValidRune(r) {
			b.WriteRune(r)
		}
	}
	b.WriteString("\U00010000\U0001F600\U0010FFFF")
	return b.String()
}

func parsed(t testing.TB, escaped []byte) string {
	t.Helper()
	var s string
	if err := json.Unmarshal([]byte(`"`+string(escaped)+`"`), &s); err != nil {
		t.Fatalf("%v: %.200q", err, escaped)
	}
	return s
}

func TestAppendIsJSON(t *testing.T) {
	all := everything()
	got := Append(nil, []byte(all))
	if parsed(t, got) != all {
		t.Error("JSON reads another string")
	}
	if len(got) != Len([]byte(all)) {
		t.Errorf("%d bytes, Len says %d", len(got), Len([]byte(all)))
	}
}

// What the protocol's tests call the server killer string, and what Spring escapes.
func TestEscapes(t *testing.T) {
	for _, c := range []struct{ from, to string }{
		{"", ""}, {"abc", "abc"}, {`a"b\c/`, `a\"b\\c/`}, {"\x00\x01\x1f", `\u0000\u0001\u001f`}, {"\b\t\n\f\r", `\b\t\n\f\r`},
		{"\x7f", "\x7f"}, {"é€", "é€"}, {"\u200b\u200c\u200f\u2010", "\u200b" + `\u200c\u200f` + "\u2010"},
		{"\u2027\u2028\u2029\u202f\u2030", "\u2027" + `\u2028\u2029\u202f` + "\u2030"},
		{"\u205f\u2060\u206f\u2070", "\u205f" + `\u2060\u206f` + "\u2070"},
		{"\uffef\ufff0\ufffd\ufffe\uffff", "\uffef" + `\ufff0\ufffd\ufffe\uffff`}, {"\ufeff", "\ufeff"},
		{"😀\U00010000\U0010FFFF", `\ud83d\ude00\ud800\udc00\udbff\udfff`}, {"\ud7ff\ue000", "\ud7ff\ue000"},
	} {
		if got := string(Append(nil, []byte(c.from))); got != c.to {
			t.Errorf("%q: %s, want %s", c.from, got, c.to)
		}
	}
}

// In pieces of every size the same comes out, and Skip finds every place again.
func TestPieces(t *testing.T) {
	text := []byte("a\"\u2028b\x00\n😀ü€\ufffd z\\")
	whole := Append(nil, text)
	for most := 1; most < len(whole)+2; most++ {
		var got []byte
		for at := 0; at < len(text); {
			piece, used := AppendUpTo(nil, text[at:], most)
			if used == 0 || len(piece) >= most+12 {
				t.Fatalf("%d: %q of %d bytes", most, piece, used)
			}
			got, at = append(got, piece...), at+used
		}
		if !bytes.Equal(got, whole) {
			t.Errorf("%d: %s, want %s", most, got, whole)
		}
	}
	for n := range len(whole) + 1 {
		used, over := Skip(text, n)
		if before := Len(text[:used]); before+over != n {
			t.Errorf("%d: %d bytes are %d, and %d over", n, used, before, over)
		}
	}
}

func TestAppendAllocates(t *testing.T) {
	text := []byte(strings.Repeat(`{"a":"b\n😀"}`+"\u2028\x00", 50))
	dst := make([]byte, 0, 12*len(text))
	if n := testing.AllocsPerRun(10, func() { Append(dst, text) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestFrames(t *testing.T) {
	if got := string(AppendMessage(nil, []byte("MESSAGE\n\na\"b\x00"))); got != `a["MESSAGE\n\na\"b\u0000"]` {
		t.Error(got)
	}
	if got := string(AppendClose(nil, 3000, `Go "away"!`)); got != `c[3000,"Go \"away\"!"]` {
		t.Error(got)
	}
}

func FuzzEscape(f *testing.F) {
	f.Add([]byte("a\"\u2028b\x00\n😀\xff\xe2\x80"), 5)
	f.Fuzz(func(t *testing.T, p []byte, n int) {
		got := Append(nil, p)
		if len(got) != Len(p) {
			t.Fatalf("%d bytes, Len says %d", len(got), Len(p))
		}
		if len(got) > 6*len(p) {
			t.Fatalf("%d bytes for %d", len(got), len(p))
		}
		n = max(1, n&0xFFFF)
		piece, used := AppendUpTo(nil, p, n)
		if !bytes.Equal(piece, got[:len(piece)]) || used < len(p) && len(piece) < n {
			t.Fatalf("%q of %q", piece, got)
		}
		if used, over := Skip(p, min(n, len(got))); Len(p[:used])+over != min(n, len(got)) && utf8.Valid(p) {
			t.Fatalf("%d and %d of %d", used, over, n)
		}
		if utf8.Valid(p) && parsed(t, got) != string(p) {
			t.Fatalf("JSON reads another string: %q", got)
		}
	})
}

func BenchmarkLen(b *testing.B) {
	for name, text := range map[string]string{"json": `{"symbol":"ACME","price":1.25,"text":"ok"},`, "han": "价格更新", "control": "\x00"} {
		b.Run(name, func(b *testing.B) {
			p := []byte(strings.Repeat(text, 1<<20/len(text)))
			b.SetBytes(int64(len(p)))
			for b.Loop() {
				Len(p)
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{200, 2000} {
		text := []byte("MESSAGE\ndestination:/topic/prices\nmessage-id:1-2-3\ncontent-length:200\nsubscription:sub-0\n\n")
		for i := 0; len(text) < size; i++ {
			text = fmt.Appendf(text, `{"symbol":"ACME%d","price":%d.25,"text":"ok"},`, i, i)
		}
		dst := make([]byte, 0, 4*len(text))
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				Append(dst, text)
			}
		})
	}
}
