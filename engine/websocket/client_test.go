package websocket

import (
	"strings"
	"testing"
)

// A client's tools accept compression only as they offered it, with an empty window for each message of the server.
func TestParsePackedAnswer(t *testing.T) {
	h := Handshaker{}
	_, _, good, _ := h.Next(AppendRequest(nil, "localhost", "/ws", sampleKey), 0, nil)
	for value, want := range map[string]struct{ packed, refused bool }{
		"":                   {},
		"permessage-deflate": {refused: true}, // the server could refer to earlier messages
		"permessage-deflate; server_no_context_takeover":                                                     {packed: true},
		"permessage-deflate; server_no_context_takeover; client_no_context_takeover":                         {packed: true},
		"permessage-deflate;server_no_context_takeover;client_no_context_takeover;server_max_window_bits=15": {packed: true},
		"permessage-deflate; server_no_context_takeover; gzip":                                               {refused: true},
		"permessage-deflate; server_no_context_takeover, permessage-deflate":                                 {refused: true},
		"permessage-deflate; server_no_context_takeover, x":                                                  {refused: true},
		"x-webkit-deflate-frame": {refused: true},
		"permessage-deflate; server_no_context_takeover; server_no_context_takeover; client_no_context_takeover": {refused: true},
	} {
		answer := string(good)
		if value != "" {
			answer = strings.Replace(answer, "\r\n\r\n", "\r\nSec-WebSocket-Extensions: "+value+"\r\n\r\n", 1)
		}
		n, packed, err := ParsePackedAnswer([]byte(answer), sampleKey)
		if packed != want.packed || (err != nil) != want.refused || err == nil && n != len(answer) {
			t.Errorf("%q: %d, %v, %v", value, n, packed, err)
		}
		if _, _, err := ParseAnswer([]byte(answer), sampleKey); (err != nil) != (value != "") {
			t.Errorf("%q, which was not offered: %v", value, err)
		}
	}
}

func TestClientReaderUnpacks(t *testing.T) {
	frame := AppendPackedHeader(nil, 1, 3)
	frame = append(frame, 0xFF, 1, 2)
	var r ClientReader
	if _, _, err := r.Next(frame, 100); err == nil {
		t.Error("a compressed message is taken without an agreement")
	}
	r = ClientReader{}
	r.Unpack()
	if ev, n, err := r.Next(frame, 100); err != nil || n != len(frame) || !ev.Packed || !ev.Final || len(ev.Payload) != 3 {
		t.Errorf("%+v, %d, %v", ev, n, err)
	}
}
