package websocket

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws/wsflate"
)

// offering is a handshake with these header lines.
func offering(lines ...string) []byte {
	return []byte(goodRequest[:len(goodRequest)-2] + strings.Join(append(lines, ""), "\r\n") + "\r\n")
}

// compressing makes a Handshaker whose Check wants c.
func compressing(c Compressing) *Handshaker {
	return &Handshaker{Check: func(r *Request) *Refusal { r.Compress = c; return nil }}
}

const (
	agreement = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	safari    = "User-Agent: Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
	chromeIOS = "User-Agent: Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/126.0.6478.35 Mobile/15E148 Safari/604.1"
	chrome    = "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
	app       = "User-Agent: Shop/12 CFNetwork/1496.0.7 Darwin/23.5.0"
)

func TestCompression(t *testing.T) {
	offer := func(list string) []string { return []string{"Sec-WebSocket-Extensions: " + list} }
	for name, test := range map[string]struct {
		lines []string
		want  Compression
		extra string // behind agreement
	}{
		"nothing":                 {nil, CompressionNotOffered, ""},
		"an empty list":           {offer(""), CompressionNotOffered, ""},
		"others":                  {offer("x-webkit-deflate-frame, permessage-bzip2; level=9"), CompressionNotOffered, ""},
		"Chrome":                  {append(offer("permessage-deflate; client_max_window_bits"), chrome), CompressionAgreed, ""},
		"Firefox":                 {offer("permessage-deflate"), CompressionAgreed, ""},
		"Node":                    {offer("permessage-deflate; client_max_window_bits"), CompressionAgreed, ""},
		"both sides without":      {offer("permessage-deflate; client_no_context_takeover; server_no_context_takeover"), CompressionAgreed, ""},
		"client's window":         {offer("permessage-deflate;client_max_window_bits=9"), CompressionAgreed, ""},
		"server's window, whole":  {offer("permessage-deflate; server_max_window_bits=15"), CompressionAgreed, "; server_max_window_bits=15"},
		"quoted":                  {offer(`permessage-deflate; server_max_window_bits="15" ; client_max_window_bits="8"`), CompressionAgreed, "; server_max_window_bits=15"},
		"white space":             {offer("\t permessage-deflate ;\tserver_max_window_bits = 15 , x"), CompressionAgreed, "; server_max_window_bits=15"},
		"empty elements":          {offer(" , ,permessage-deflate, ,"), CompressionAgreed, ""},
		"behind another":          {offer("x; y=1; z=\"a\", permessage-deflate"), CompressionAgreed, ""},
		"a second line":           {[]string{"Sec-WebSocket-Extensions: x", "sec-websocket-extensions: permessage-deflate"}, CompressionAgreed, ""},
		"the second offer":        {offer("permessage-deflate; server_max_window_bits=10, permessage-deflate"), CompressionAgreed, ""},
		"the second line's offer": {[]string{"Sec-WebSocket-Extensions: permessage-deflate; x=1", "Sec-WebSocket-Extensions: permessage-deflate"}, CompressionAgreed, ""},
		"the first of two":        {offer("permessage-deflate, permessage-deflate; server_max_window_bits=15"), CompressionAgreed, ""},
		"server's window":         {offer("permessage-deflate; server_max_window_bits=14"), CompressionWindow, ""},
		"server's window, least":  {offer("permessage-deflate; server_max_window_bits=8"), CompressionWindow, ""},
		"two passed over":         {offer("permessage-deflate; server_max_window_bits=8, permessage-deflate; a"), CompressionWindow, ""},
		"unknown parameter":       {offer("permessage-deflate; mux"), CompressionParameters, ""},
		"repeated parameter":      {offer("permessage-deflate; client_max_window_bits; client_max_window_bits"), CompressionParameters, ""},
		"repeated, two values":    {offer("permessage-deflate; server_max_window_bits=15; server_max_window_bits=15"), CompressionParameters, ""},
		"a value too many":        {offer("permessage-deflate; server_no_context_takeover=1"), CompressionParameters, ""},
		"no value":                {offer("permessage-deflate; server_max_window_bits"), CompressionParameters, ""},
		"a leading zero":          {offer("permessage-deflate; server_max_window_bits=015"), CompressionParameters, ""},
		"a window of 16":          {offer("permessage-deflate; client_max_window_bits=16"), CompressionParameters, ""},
		"a window of 7":           {offer("permessage-deflate; server_max_window_bits=7"), CompressionParameters, ""},
		"an escape":               {offer(`permessage-deflate; server_max_window_bits="1\5"`), CompressionParameters, ""},
		"another name":            {offer("Permessage-Deflates"), CompressionNotOffered, ""},
		"Safari":                  {append(offer("permessage-deflate"), safari), CompressionWebKit, ""},
		"Chrome on iOS":           {append(offer("permessage-deflate"), chromeIOS), CompressionWebKit, ""},
		"an application":          {append(offer("permessage-deflate"), app), CompressionWebKit, ""},
		"Safari offers nothing":   {[]string{safari}, CompressionNotOffered, ""},
		"Safari's window":         {append(offer("permessage-deflate; server_max_window_bits=9"), safari), CompressionWindow, ""},
	} {
		for _, endpoint := range []Compressing{CompressNever, CompressUnlessWebKit, CompressAlways} {
			want := test.want
			if endpoint == CompressAlways && want == CompressionWebKit {
				want = CompressionAgreed
			}
			if endpoint == CompressNever {
				want = CompressionOff
			}
			b := offering(test.lines...)
			for _, size := range chunkSizes(b) {
				h := compressing(endpoint)
				o := handshakeIn(h, b, size)
				if o.n != len(b) || h.Compression() != want {
					t.Errorf("%s, endpoint %d, by %d: %v, %v, want %v", name, endpoint, size, h.Compression(), o, want)
				}
				_, line, has := strings.Cut(o.resp, "\r\nSec-WebSocket-Extensions: ")
				line, _, _ = strings.Cut(line, "\r\n")
				if has != (want == CompressionAgreed) || has && line != agreement+test.extra {
					t.Errorf("%s, endpoint %d: answered with %q", name, endpoint, line)
				}
			}
		}
	}
}

// A list that is none fails the handshake where the endpoint would read it, and only there.
func TestCompressionMalformed(t *testing.T) {
	for _, list := range []string{
		"permessage-deflate;", "permessage-deflate; =1", "; a", "a b", "permessage-deflate; server_max_window_bits=",
		`permessage-deflate; server_max_window_bits="15`, `a; b=""`, `a; b="c d"`, "a; b=c=d", "permessage-deflate, /", "a; b=\"c\"d", "a;;b",
	} {
		b := offering("Sec-WebSocket-Extensions: " + list)
		for _, size := range chunkSizes(b) {
			checkRefused(t, handshakeIn(compressing(CompressAlways), b, size), 400, "Sec-WebSocket-Extensions")
		}
		if o := handshakeIn(compressing(CompressNever), b, len(b)); o.n != len(b) {
			t.Errorf("%q on an endpoint without compression: %v", list, o)
		}
	}
}

// What is agreed on, gobwas/ws agrees on as well.
func FuzzCompression(f *testing.F) {
	for _, list := range []string{"permessage-deflate; server_max_window_bits=\"15\"; client_max_window_bits", "a;b=c,permessage-deflate; x", " , a"} {
		f.Add(list)
	}
	f.Fuzz(func(t *testing.T, list string) {
		b := offering("Sec-WebSocket-Extensions: " + list)
		h := compressing(CompressAlways)
		o := handshakeIn(h, b, len(b))
		if by := handshakeIn(compressing(CompressAlways), b, 1); o.n != by.n || o.resp != by.resp {
			t.Fatalf("%v, by one byte: %v", o, by)
		}
		if o.n != len(b) || h.Compression() != CompressionAgreed {
			return
		}
		options, ok := httphead.ParseOptions([]byte(strings.Trim(list, " \t")), nil)
		found := false
		for _, option := range options {
			var p wsflate.Parameters
			found = found || string(option.Name) == "permessage-deflate" && p.Parse(option) == nil && (p.ServerMaxWindowBits == 0 || p.ServerMaxWindowBits == 15)
		}
		if !ok && !strings.ContainsAny(list, "\t ,\"") || ok && !found {
			t.Fatalf("%q: gobwas reads %v, %v", list, options, ok)
		}
	})
}

func unpacking() *Reader {
	r := new(Reader)
	r.Unpack()
	return r
}

// RSV1 stands on the first frame of a message, and only if compression was agreed on (RFC 7692 section 6.1).
func TestPackedMessages(t *testing.T) {
	const rsv1, text, binary, fin = 0x40, 1, 2, 0x80
	for name, test := range map[string]struct {
		send  []byte
		agree bool
		want  []string
	}{
		"one frame":                 {frame(fin|rsv1|text, "a\xffb"), true, []string{"packed text a\xffb"}},
		"binary":                    {frame(fin|rsv1|binary, "a"), true, []string{"packed binary a"}},
		"empty":                     {frame(fin|rsv1|text, ""), true, []string{"packed text "}},
		"not agreed":                {frame(fin|rsv1|text, "a"), false, []string{"1002"}},
		"plain when it is agreed":   {frame(fin|text, "a"), true, []string{"text a"}},
		"plain, not UTF-8":          {frame(fin|text, "\xff"), true, []string{"1007"}},
		"RSV2":                      {frame(fin|0x20|text, "a"), true, []string{"1002"}},
		"RSV1 and RSV3":             {frame(fin|rsv1|0x10|text, "a"), true, []string{"1002"}},
		"ping":                      {frame(fin|rsv1|9, "a"), true, []string{"1002"}},
		"close":                     {frame(fin|rsv1|8, ""), true, []string{"1002"}},
		"continuation of nothing":   {frame(fin|rsv1, "a"), true, []string{"1002"}},
		"an opcode that is none":    {frame(fin|rsv1|3, "a"), true, []string{"1002"}},
		"fragments, pings between":  {concat(frame(rsv1|text, "\xe0"), ping("x"), frame(0, ""), ping("y"), frame(fin, "\xff")), true, []string{"ping x", "ping y", "packed text \xe0\xff"}},
		"RSV1 on a later fragment":  {concat(frame(rsv1|text, "a"), frame(fin|rsv1, "b")), true, []string{"1002"}},
		"only on a later fragment":  {concat(frame(text, "a"), frame(fin|rsv1, "b")), true, []string{"1002"}},
		"a message in a message":    {concat(frame(rsv1|text, "a"), frame(fin|rsv1|text, "b")), true, []string{"1002"}},
		"one plain, one packed":     {concat(frame(fin|text, "é"), frame(fin|rsv1|text, "\xff"), frame(fin|text, "ü")), true, []string{"text é", "packed text \xff", "text ü"}},
		"packed, then plain broken": {concat(frame(fin|rsv1|text, "\xff"), frame(fin|text, "\xff")), true, []string{"packed text \xff", "1007"}},
	} {
		for _, size := range []int{len(test.send), len(test.send)/2 + 1, 1} {
			r := new(Reader)
			if test.agree {
				r.Unpack()
			}
			got, _ := read(t, r, noLimit, chop(slices.Clone(test.send), size))
			if fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("%s, by %d: %q, want %q", name, size, got, test.want)
			}
		}
	}
}
