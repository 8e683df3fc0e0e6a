package conformance

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// TestText is section 6: text has to be UTF-8, whatever the frames cut.
func TestText(t *testing.T) {
	var all []conversation
	add := func(kind string, s string, want func(id string, frames ...[]byte) conversation) {
		id := fmt.Sprintf("%s %x", kind, s[:min(len(s), 12)])
		all = append(all,
			want(id+" whole", message(s)),
			want(id+" octets", chop(message(s), 1)...))
		if len(s) > 1 {
			all = append(all, want(id+" fragments", fragments(opText, pieces(s, 1)...)...), want(id+" halves", fragments(opText, s[:len(s)/2], s[len(s)/2:])...))
		}
	}
	for _, s := range []string{
		"", "Hello-\u00b5@\u00df\u00f6\u00e4\u00fc\u00e0\u00e1-UTF-8!!", "\u03ba\u1f79\u03c3\u03bc\u03b5",
		// The first and last code point of each length, and the neighbours of the surrogates.
		"\x00", "\x7f", "\u0080", "\u07ff", "\u0800", "\uffff", "\U00010000", "\U0010ffff", "\ud7ff", "\ue000", "\ufffd",
		// Code points that are no characters are allowed.
		"\ufdd0", "\ufffe", "\U0001fffe", "\U0001ffff", "\U0010fffe",
	} {
		add("valid", s, func(id string, frames ...[]byte) conversation { return conversation{id, frames, []string{text(s)}} })
	}
	kosme := "\u03ba\u1f79\u03c3\u03bc\u03b5"
	for _, s := range []string{
		kosme + "\xed\xa0\x80edited",                               // a surrogate
		kosme + "\xf4\x90\x80\x80edited",                           // beyond U+10FFFF
		"\xed\xa0\x80", "\xed\xbf\xbf", "\xed\xa0\x80\xed\xb0\x80", // a pair of them
		"\x80", "\xbf", "\x80\xbf\x80\xbf", // continuations of nothing
		"\xc0 \xdf ", "\xe0 \xef ", "\xf0 \xf7 ", "\xf8 \xfb ", "\xfc \xfd ", // beginnings alone
		"\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xf8\x80\x80\x80\xaf", "\xfc\x80\x80\x80\x80\xaf", // too long a form
		"\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80",
		"\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80", // five and six bytes
		"\xfe", "\xff", "\xfe\xfe\xff\xff",
		"\xce", "\xe1\xbd", "\xf0\x9f\x98", kosme + "\xe1", // the end is missing
	} {
		add("invalid", s, func(id string, frames ...[]byte) conversation { return failing(id, 1007, nil, frames...) })
	}
	// Binary messages may hold anything.
	all = append(all, conversation{"binary", [][]byte{frame(fin|opBinary, "\xff\xed\xa0\x80")}, []string{blob("\xff\xed\xa0\x80")}})
	// A message that fails does not spoil another before it.
	all = append(all, failing("behind a good one", 1007, []string{text("good")}, message("good"), message("\xff")))
	converse(t, all)
}

// TestTextFailsFast is 6.4: the server gives up at the first byte that no text has there, not at the message's end.
func TestTextFailsFast(t *testing.T) {
	address := server(t)
	for _, c := range []struct{ good, bad string }{
		{"\u03ba\u1f79\u03c3\u03bc\u03b5\xf4", "\x90"},
		{"\u03ba\u1f79\u03c3\u03bc\u03b5", "\xff"},
		{"a\xed", "\xa0"},
		{"a\xe0", "\x80"},
		{strings.Repeat("x", 70000) + "\xf0", "\x80"},
	} {
		t.Run(fmt.Sprintf("%x", c.bad), func(t *testing.T) {
			t.Parallel()
			// Within a frame that goes on.
			c1 := dial(t, address)
			whole := message(c.good + c.bad + "and so on")
			end := len(whole) - len("and so on")
			c1.send(whole[:end-1], ping("")[:0])
			c1.send(whole[end-1 : end])
			c1.expect("close 1007", "FIN")
			// In fragments: the good part is taken, which the pong behind it shows.
			c2 := dial(t, address)
			parts := fragments(opText, c.good, c.bad, "and so on")
			c2.send(parts[0], ping("here"))
			c2.expect("pong here")
			c2.send(parts[1])
			c2.expect("close 1007", "FIN")
		})
	}
	// The same bytes at once.
	c := dial(t, address)
	c.send(bytes.Join(fragments(opText, "\xf4", "\x90\x80\x80"), nil))
	c.expect("close 1007", "FIN")
}
