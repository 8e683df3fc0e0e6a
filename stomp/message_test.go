package stomp

import (
	"strconv"
	"strings"
	"testing"
	"unsafe"
)

// wholeMessage is what Message has to equal: all of it as one frame, with the lines of the subscriber in place.
func wholeMessage(destination, id, contentType string, headers []HeaderField, body []byte, lines []Header) Frame {
	f := Frame{Command: MessageCommand, Body: body}
	add := func(name, value string) { f.Headers = append(f.Headers, Header{[]byte(name), []byte(value)}) }
	add("destination", destination)
	add("message-id", id)
	if contentType != "" {
		add("content-type", contentType)
	}
	add("content-length", strconv.Itoa(len(body)))
	f.Headers = append(f.Headers, lines...)
	for _, h := range headers {
		if h.Name != "" && !ReservedHeader(h.Name) {
			add(h.Name, h.Value)
		}
	}
	return f
}

func checkMessage(t *testing.T, destination, id, contentType string, headers []HeaderField, body []byte, lines []Header) {
	t.Helper()
	m := NewMessage(destination, id, contentType, headers, body)
	checkWhole(t, &m, body, wholeMessage(destination, id, contentType, headers, body, lines), lines)
	packed := NewPackedMessage(destination, id, contentType, headers, body, []byte("packed"))
	checkWhole(t, &packed, body, wholeMessage(destination, id, contentType, headers, body, lines), lines)
	if string(packed.Packed()) != "packed" || len(m.Packed()) > 0 || packed.Size() != m.Size()+len("packed") {
		t.Errorf("%q of %d bytes, %q of %d", m.Packed(), m.Size(), packed.Packed(), packed.Size())
	}
	for v := V10; v <= V12; v++ {
		spliced := appendLines(v, lines)
		head := packed.HeadLen(v, len(spliced))
		got, want := packed.AppendPacked([]byte("+"), v, spliced), append(m.AppendTo([]byte("+"), v, spliced)[:1+head], "packed"...)
		if string(got) != string(want) {
			t.Errorf("%v:\n got %q\nwant %q", v, got, want)
		}
		for offset := range len(got) {
			if p := packed.PackedAt(v, spliced, offset); len(p) == 0 != (offset == len(got)-1) || !strings.HasPrefix(string(got[1+offset:]), string(p)) {
				t.Errorf("%v: PackedAt %d: %q", v, offset, p)
			}
		}
	}
}

func appendLines(v Version, lines []Header) (spliced []byte) {
	for _, h := range lines {
		spliced = AppendHeader(spliced, v, string(h.Name), h.Value)
	}
	return spliced
}

// checkWhole compares m with the frame that it has to equal.
func checkWhole(t *testing.T, m *Message, body []byte, f Frame, lines []Header) {
	t.Helper()
	for v := V10; v <= V12; v++ {
		spliced := appendLines(v, lines)
		got, want := m.AppendTo([]byte("+"), v, spliced), AppendFrame([]byte("+"), v, &f)
		if string(got) != string(want) {
			t.Errorf("%v:\n got %q\nwant %q", v, got, want)
		}
		if n := m.Len(v, len(spliced)); n != len(got)-1 {
			t.Errorf("%v: Len %d of %d", v, n, len(got)-1)
		}
		for offset := range len(got) {
			if p := m.At(v, spliced, offset); len(p) == 0 != (offset == len(got)-1) || !strings.HasPrefix(string(got[1+offset:]), string(p)) {
				t.Errorf("%v: At %d: %q", v, offset, p)
			}
		}
	}
	if string(m.Body()) != string(body) {
		t.Errorf("body %q, want %q", m.Body(), body)
	}
	if cap(m.buf) != len(m.buf) {
		t.Errorf("%d bytes in %d", len(m.buf), cap(m.buf))
	}
}

func TestMessage(t *testing.T) {
	lines := []Header{{[]byte("subscription"), []byte("sub:0")}, {[]byte("ack"), []byte("7")}}
	for _, test := range []struct {
		name        string
		contentType string
		headers     []HeaderField
		body        string
		text        bool
		variants    int // encodings held
	}{
		{"plain", "application/json", nil, `{"a":1}`, true, 1},
		{"no content-type", "", []HeaderField{{"a", "b"}}, "x", true, 1},
		{"empty body", "text/plain", nil, "", true, 1},
		{"ten bytes", "", nil, "0123456789", true, 1},
		{"binary", "application/octet-stream", nil, "\xff\x00", false, 1},
		{"binary header", "", []HeaderField{{"a", "\xff"}}, "x", false, 1},
		{"UTF-8", "", []HeaderField{{"ß", "日"}}, "日本", true, 1},
		{"reserved and nameless", "", []HeaderField{{"subscription", "x"}, {"a", "b"}, {"", "c"}, {"content-length", "9"}}, "x", true, 1},
		{"colon", "", []HeaderField{{"url", "http://x"}}, "x", true, 2},
		{"colon in a name", "", []HeaderField{{"a:b", "c"}}, "x", true, 2},
		{"backslash and LF", "", []HeaderField{{"a", "\\\n"}}, "x", true, 2},
		{"CR", "", []HeaderField{{"a", ":\r"}}, "x", true, 3},
		{"NUL", "", []HeaderField{{"a", "\x00"}}, "x", true, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			checkMessage(t, "/topic/a", "0-0-1", test.contentType, test.headers, []byte(test.body), lines)
			checkMessage(t, "/topic/a", "0-0-1", test.contentType, test.headers, []byte(test.body), nil)
			m := NewMessage("/topic/a", "0-0-1", test.contentType, test.headers, []byte(test.body))
			if m.Text() != test.text {
				t.Errorf("Text %v", m.Text())
			}
			size := len(m.buf)
			if test.variants > 1 {
				size += int(unsafe.Sizeof(*m.escaped)) + len(m.escaped.v12.buf)
			}
			if test.variants > 2 {
				size += len(m.escaped.v11.buf)
			}
			if m.Size() != size {
				t.Errorf("Size %d, want %d", m.Size(), size)
			}
		})
	}
	checkMessage(t, "/topic/a:b", "a\\b", "x\r", nil, nil, lines)
}

func TestMessageBytes(t *testing.T) {
	m := NewMessage("/topic/shop/all", "0-0-2a", "text/plain;charset=UTF-8", []HeaderField{{"k", "a:b"}}, []byte("hi"))
	want := "MESSAGE\ndestination:/topic/shop/all\nmessage-id:0-0-2a\ncontent-type:text/plain;charset=UTF-8\n" +
		"content-length:2\nsubscription:0\nk:a\\cb\n\nhi\x00"
	if got := string(m.AppendTo(nil, V12, []byte("subscription:0\n"))); got != want {
		t.Errorf("%q", got)
	}
}

func TestMessageCopies(t *testing.T) {
	body := []byte("body")
	m := NewMessage("/a", "1", "", nil, body)
	body[0] = 'X'
	if string(m.Body()) != "body" {
		t.Errorf("%q", m.Body())
	}
}

func TestMessageIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(Message{}); size > 64 {
		t.Errorf("Message has %d bytes", size)
	}
}
