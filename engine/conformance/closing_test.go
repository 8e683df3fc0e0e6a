package conformance

import (
	"fmt"
	"strings"
	"testing"
)

// TestClosing is section 7.
func TestClosing(t *testing.T) {
	hello, seen := message("Hello, world!"), text("Hello, world!")
	normal := closing(1000, "")
	big := strings.Repeat("BAsd7&jh23", 26<<10)
	all := []conversation{
		{"behind a message", [][]byte{hello, normal}, []string{seen, "close 1000"}},
		{"twice", [][]byte{normal, normal}, []string{"close 1000"}},
		{"ping behind", [][]byte{normal, ping("")}, []string{"close 1000"}},
		{"message behind", [][]byte{normal, hello}, []string{"close 1000"}},
		{"garbage behind", [][]byte{normal, []byte("\xff\xff\xff\xff\xff\xff")}, []string{"close 1000"}},
		{"within a message", [][]byte{frame(opText, "fragment1"), normal, frame(fin|opContinue, "fragment2")}, []string{"close 1000"}},
		{"behind a big message", [][]byte{message(big), hello, normal, ping("")}, []string{text(big), seen, "close 1000"}},
		{"no code", [][]byte{frame(fin|opClose, "")}, []string{"close 1000"}},
		failing("half a code", 1002, nil, frame(fin|opClose, "\x03")),
		{"reason", [][]byte{closing(1000, "Hello, world!")}, []string{"close 1000"}},
		{"reason of 123", [][]byte{closing(1000, strings.Repeat("*", 123))}, []string{"close 1000"}},
		failing("reason of 124", 1002, nil, closing(1000, strings.Repeat("*", 124))),
		failing("reason that is not UTF-8", 1007, nil, closing(1000, "\xce\xba\xed\xa0\x80edited")),
	}
	for _, code := range []uint16{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		all = append(all,
			conversation{fmt.Sprint("code ", code), [][]byte{closing(code, "")}, []string{fmt.Sprintf("close %d", code)}},
			conversation{fmt.Sprint("code in octets ", code), chop(closing(code, "reason"), 1), []string{fmt.Sprintf("close %d", code)}})
	}
	for _, code := range []uint16{0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		all = append(all, failing(fmt.Sprint("code ", code), 1002, nil, closing(code, "")))
	}
	converse(t, all)
}

// TestMuchBehindAMistake: whatever a client still sends, it can read why it was closed. A server that closed its socket
// with input unread would reset the connection instead.
func TestMuchBehindAMistake(t *testing.T) {
	address := server(t)
	for name, mistake := range map[string][]byte{
		"close":    closing(1002, ""),
		"reserved": frame(fin|3, ""),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, address)
			c.send(message("before"), mistake)
			for range 64 {
				c.send(make([]byte, 64<<10))
			}
			c.expect(text("before"), "close 1002", "FIN")
		})
	}
}
