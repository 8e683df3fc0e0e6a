package stomp

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"unsafe"
)

// plainLimits are out of the way of every test that is not about limits.
var plainLimits = Limits{Headers: 64, LineBytes: 1024, HeaderBytes: 4096, BodyBytes: 1 << 16}

// stream feeds a decoder as a connection does: what was not consumed is kept and comes again with more behind it.
type stream struct {
	decoder  Decoder
	version  Version
	limits   Limits
	progress Progress
	pending  []byte
	frames   []string
}

func (s *stream) feed(data []byte) error {
	s.pending = append(s.pending, data...)
	for {
		// The exact capacity shows a read behind the input to the race and fuzz runs.
		b := bytes.Clone(s.pending)
		var f Frame
		n, err := s.decoder.Decode(b, s.version, &s.limits, &s.progress, &f)
		if err != nil {
			return err
		}
		if n < 0 || n > len(b) {
			return fmt.Errorf("n = %d of %d", n, len(b))
		}
		if need := s.progress.Need(); need != 0 && need <= len(b)-n {
			return fmt.Errorf("needs %d and has %d", need, len(b)-n)
		}
		if f.Command != None {
			if n == 0 {
				return fmt.Errorf("%v of 0 bytes", f.Command)
			}
			s.frames = append(s.frames, show(&f))
		}
		s.pending = s.pending[n:]
		if n == 0 {
			return nil
		}
	}
}

func show(f *Frame) string {
	var b strings.Builder
	b.WriteString(f.Command.String())
	for _, h := range f.Headers {
		fmt.Fprintf(&b, " %q=%q", h.Name, h.Value)
	}
	fmt.Fprintf(&b, " %q", f.Body)
	return b.String()
}

// run decodes data in pieces of the given sizes, the last size repeated.
func run(data []byte, v Version, lim Limits, sizes ...int) (frames []string, err error) {
	s := stream{version: v, limits: lim}
	for i := 0; len(data) > 0; i++ {
		n := min(max(sizes[min(i, len(sizes)-1)], 1), len(data))
		if err := s.feed(data[:n]); err != nil {
			return s.frames, err
		}
		data = data[n:]
	}
	return s.frames, nil
}

// everyWay decodes input whole, in two pieces cut everywhere, in halves of halves and byte by byte.
func everyWay(t *testing.T, input string, v Version, lim Limits, want []string, wantErr error) {
	t.Helper()
	check := func(how string, sizes ...int) {
		t.Helper()
		frames, err := run([]byte(input), v, lim, sizes...)
		if fmt.Sprint(frames) != fmt.Sprint(want) {
			t.Errorf("%s %s:\n got %s\nwant %s", v, how, frames, want)
		}
		if err == nil != (wantErr == nil) || wantErr != nil && err != wantErr {
			t.Errorf("%s %s: error %v, want %v", v, how, err, wantErr)
		}
	}
	check("whole", len(input))
	check("halved", (len(input)+1)/2)
	check("quartered", (len(input)+3)/4)
	check("byte by byte", 1)
	for i := 1; i < len(input); i++ {
		check(fmt.Sprintf("cut at %d", i), i, len(input))
	}
}

const (
	in10 = 1 << V10
	in11 = 1 << V11
	in12 = 1 << V12
	all  = in10 | in11 | in12
)

func TestDecode(t *testing.T) {
	tests := []struct {
		name     string
		versions int
		input    string
		want     []string
	}{
		{"nothing", all, "", nil},
		{"heart-beats", all, "\n\n\r\n\n", nil},
		{"half an EOL", all, "\n\r", nil},
		{"connect", all, "CONNECT\naccept-version:1.0,1.1,1.2\nheart-beat:10000,10000\n\n\x00",
			[]string{`CONNECT "accept-version"="1.0,1.1,1.2" "heart-beat"="10000,10000" ""`}},
		{"stomp is connect", all, "STOMP\nhost:h\n\n\x00", []string{`CONNECT "host"="h" ""`}},
		{"connect is never unescaped", all, "CONNECT\nlogin:a\\b\\n\n\n\x00CONNECTED\nx:\\q\n\n\x00",
			[]string{`CONNECT "login"="a\\b\\n" ""`, `CONNECTED "x"="\\q" ""`}},
		{"crlf", all, "\r\nSUBSCRIBE\r\nid:0\r\ndestination:/topic/a\r\n\r\n\x00\r\n",
			[]string{`SUBSCRIBE "id"="0" "destination"="/topic/a" ""`}},
		{"mixed EOLs", all, "SEND\ndestination:/a\r\nx:y\n\r\nbody\x00", []string{`SEND "destination"="/a" "x"="y" "body"`}},
		{"crlf in the body", all, "SEND\n\n\r\na\rb\r\n\x00", []string{`SEND "\r\na\rb\r\n"`}},
		{"no headers", all, "DISCONNECT\n\n\x00", []string{`DISCONNECT ""`}},
		{"several", all, "BEGIN\ntransaction:t\n\n\x00\n\nCOMMIT\ntransaction:t\n\n\x00\x00\nABORT\n\n\x00",
			[]string{`BEGIN "transaction"="t" ""`, `COMMIT "transaction"="t" ""`, `ABORT ""`}},
		{"all other commands", all, "UNSUBSCRIBE\n\n\x00ACK\n\n\x00NACK\n\n\x00RECEIPT\n\n\x00MESSAGE\n\nm\x00ERROR\n\ne\x00",
			[]string{`UNSUBSCRIBE ""`, `ACK ""`, `NACK ""`, `RECEIPT ""`, `MESSAGE "m"`, `ERROR "e"`}},
		{"stray NULs", all, "\x00\n\x00SEND\n\n\x00\x00\n", []string{`SEND ""`}},
		{"split at the first colon, no trim", in11 | in12, "SEND\n a : b:c \nempty:\n\n\x00", []string{`SEND " a "=" b:c " "empty"="" ""`}},
		{"1.0 pads names and values", in10, "SEND\n a : b:c \t\ncontent-length: 3 \nempty: \n\nabc\x00",
			[]string{`SEND "a"="b:c" "content-length"="3" "empty"="" "abc"`}},
		{"a CONNECT of 1.0 pads", all, "CONNECT\nlogin: a\n\n\x00CONNECT\n accept-version: 1.0\ntoken: t \n\n\x00",
			[]string{`CONNECT "login"="a" ""`, `CONNECT "accept-version"="1.0" "token"="t" ""`}},
		{"a CONNECT of others does not", all, "CONNECT\naccept-version:1.0,1.1\ntoken: t \n\n\x00CONNECTED\nsession: s\n\n\x00",
			[]string{`CONNECT "accept-version"="1.0,1.1" "token"=" t " ""`, `CONNECTED "session"=" s" ""`}},
		{"content-length of no body", all, "ACK\ncontent-length:13\n\n\x00SUBSCRIBE\ncontent-length:x\n\n\x00SEND\n\nnext\x00",
			[]string{`ACK "content-length"="13" ""`, `SUBSCRIBE "content-length"="x" ""`, `SEND "next"`}},
		{"repeated", all, "SEND\na:1\na:2\ncontent-length:1\ncontent-length:999999\n\nx\x00",
			[]string{`SEND "a"="1" "a"="2" "content-length"="1" "content-length"="999999" "x"`}},
		{"content-length", all, "SEND\ncontent-length:5\n\na\x00b\nc\x00SEND\n\nnext\x00",
			[]string{`SEND "content-length"="5" "a\x00b\nc"`, `SEND "next"`}},
		{"content-length 0", all, "SUBSCRIBE\ncontent-length:0\n\n\x00SEND\ncontent-length:000\n\n\x00",
			[]string{`SUBSCRIBE "content-length"="0" ""`, `SEND "content-length"="000" ""`}},
		{"content-length with zeros", all, "SEND\ncontent-length:0000000000000000000000003\n\nabc\x00",
			[]string{`SEND "content-length"="0000000000000000000000003" "abc"`}},
		{"binary body", all, "SEND\n\n\xff\xfe\x00", []string{`SEND "\xff\xfe"`}},
		{"UTF-8", all, "SEND\nß:日本\n\n日\x00", []string{`SEND "ß"="日本" "日"`}},
		{"no escapes in 1.0", in10, "SEND\na\\c:b\\n\\q\\\n\n\x00", []string{`SEND "a\\c"="b\\n\\q\\" ""`}},
		{"escapes", in11 | in12, "SEND\na\\cb\\n:\\\\n\\c\\n-\nplain:x\n\\\\:y\n\n\\n\x00",
			[]string{`SEND "a:b\n"="\\n:\n-" "plain"="x" "\\"="y" "\\n"`}},
		{"escaped CR", in12, "SEND\na:\\r\\n\n\n\x00", []string{`SEND "a"="\r\n" ""`}},
		{"incomplete", all, "SEND\ndestination:/a\n\nbody", nil},
		{"incomplete with content-length", all, "SEND\ncontent-length:10\n\nbody", nil},
		{"incomplete without body", all, "\nSUBSCRIBE\nid:1\n\n", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for v := V10; v <= V12; v++ {
				if test.versions&(1<<v) != 0 {
					everyWay(t, test.input, v, plainLimits, test.want, nil)
				}
			}
		})
	}
}

func TestDecodeErrors(t *testing.T) {
	tests := []struct {
		name     string
		versions int
		input    string
		err      *Error
	}{
		{"unknown command", all, "HELLO\n\n\x00", errCommand},
		{"unknown at its first byte", all, "X", errCommand},
		{"unknown at the byte that differs", all, "SENT", errCommand},
		{"shorter than a command", all, "SEN\n", errCommand},
		{"lower case", all, "send", errCommand},
		{"longer than any command", all, "UNSUBSCRIBED", errCommand},
		{"CR behind the longest command", all, "UNSUBSCRIBE\rx", errCommand},
		{"space before the command", all, " SEND", errCommand},
		{"HTTP", all, "GET / HTTP/1.1\r\n", errCommand},
		{"bare CR before a command", all, "\n\rSEND\n\n\x00", errBareCR},
		{"bare CR in a header", all, "SEND\na:b\rc\n\n\x00", errBareCR},
		{"two CRs", all, "SEND\na:b\r\r\n\n\x00", errBareCR},
		{"bare CR in CONNECT", all, "CONNECT\na:b\rc\n\n\x00", errBareCR},
		{"no blank line", all, "SEND\na:b\n\x00", errNUL},
		{"no header and no blank line", all, "DISCONNECT\n\x00", errNUL},
		{"NUL in a header", all, "SEND\na:\x00", errNUL},
		{"no colon", all, "SEND\nabc\n", errColon},
		{"empty name", all, "SEND\n:b\n", errColon},
		{"a name of padding", in10, "SEND\n \t:b\n\n\x00", errColon},
		{"a second blank line is a body", all, "SUBSCRIBE\nid:1\n\n\n", errBody},
		{"body", all, "SUBSCRIBE\nid:1\n\nx", errBody},
		{"body of content-length", all, "RECEIPT\ncontent-length:1\n\nx", errBody},
		{"invalid UTF-8", all, "SEND\na:\xff\n\n", errUTF8},
		{"content-length not a number", all, "SEND\ncontent-length:5x\n\n", errContentLength},
		{"content-length empty", all, "SEND\ncontent-length:\n\n", errContentLength},
		{"content-length negative", all, "SEND\ncontent-length:-1\n\n", errContentLength},
		{"content-length signed", all, "SEND\ncontent-length:+1\n\n", errContentLength},
		{"content-length with a space", in11 | in12, "SEND\ncontent-length: 1\n\n", errContentLength},
		{"content-length over the limit", all, "SEND\ncontent-length:65537\n\n", errLongBody},
		{"content-length beyond 64 bits", all, "SEND\ncontent-length:18446744073709551617\n\n", errLongBody},
		{"content-length of many digits", all, "SEND\ncontent-length:" + strings.Repeat("9", 500) + "\n\n", errLongBody},
		{"content-length too short", all, "SEND\ncontent-length:1\n\nab\x00", errUnterminated},
		{"undefined escape", in11 | in12, "SEND\na:\\t\n\n", errEscape},
		{"undefined escape in a name", in11 | in12, "SEND\n\\x:b\n\n", errEscape},
		{"escape at the end", in11 | in12, "SEND\na:b\\\n\n", errEscape},
		{"no CR escape in 1.1", in11, "SEND\na:\\r\n\n", errEscape},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for v := V10; v <= V12; v++ {
				if test.versions&(1<<v) != 0 {
					everyWay(t, test.input, v, plainLimits, nil, test.err)
				}
			}
		})
	}
}

func TestLimits(t *testing.T) {
	lim := Limits{Headers: 2, LineBytes: 8, HeaderBytes: 16, BodyBytes: 4}
	tests := []struct {
		name  string
		input string
		err   *Error
	}{
		{"at all limits", "SEND\naaa:4567\nb:3456\n\n1234\x00", nil},
		{"at all limits with CRLF", "\r\nSEND\r\naaa:4567\r\nb:34\r\n\r\n1234\x00\r\n", nil},
		{"headers", "SEND\na:\nb:\nc", errManyHeaders},
		{"line", "SEND\na:3456789", errLongLine},
		{"all headers", "SEND\naaa:4567\nb:345678", errLongHead},
		{"all headers, by an EOL", "SEND\naaa:4567\nb:34567\n", errLongHead},
		{"body", "SEND\n\n12345", errLongBody},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var want []string
			if test.err == nil {
				frames, err := run([]byte(test.input), V12, plainLimits, len(test.input))
				if err != nil || len(frames) != 1 {
					t.Fatalf("%v %v", frames, err)
				}
				everyWay(t, test.input, V12, lim, frames, nil)
				return
			}
			everyWay(t, test.input, V12, lim, want, test.err)
		})
	}
	t.Run("none", func(t *testing.T) {
		long := strings.Repeat("x", 5000)
		input := "SEND\n" + strings.Repeat("a:"+long+"\n", 100) + "\n" + long + "\x00"
		frames, err := run([]byte(input), V12, Limits{}, len(input))
		if err != nil || len(frames) != 1 {
			t.Errorf("%d frames, %v", len(frames), err)
		}
		_, err = run([]byte("SEND\ncontent-length:1073741825\n\n"), V12, Limits{}, 100)
		if err != errLongBody {
			t.Errorf("content-length over 1 GiB: %v", err)
		}
	})
}

// What can be refused is refused at its last byte, and not earlier.
func TestEarliest(t *testing.T) {
	for _, input := range []string{
		"SENT", "SEND\nabc\n", "SEND\na:\x00", "SUBSCRIBE\n\nx", "SEND\ncontent-length:99999\n\n", "SEND\na:" + strings.Repeat("x", 1023),
	} {
		if _, err := run([]byte(input[:len(input)-1]), V12, plainLimits, 1); err != nil {
			t.Errorf("%q: %v before its last byte", input, err)
		}
		if _, err := run([]byte(input), V12, plainLimits, 1); err == nil {
			t.Errorf("%q: no error at its last byte", input)
		}
	}
}

// An unfinished frame is never searched twice: Progress stands at its end, the line it is in excepted.
func TestProgress(t *testing.T) {
	if size := unsafe.Sizeof(Progress{}); size > 16 {
		t.Errorf("Progress has %d bytes", size)
	}
	var (
		d     Decoder
		p     Progress
		f     Frame
		input = []byte("SEND\nname:value\ncontent-length:4\n\n1234\x00")
		head  = len(input) - 5
	)
	for n := 1; n < len(input); n++ {
		if got, err := d.Decode(input[:n], V12, &plainLimits, &p, &f); got != 0 || err != nil || f.Command != None {
			t.Fatalf("%d bytes: %d %v %v", n, got, err, f.Command)
		}
		if n <= head && int(p.scan) != n {
			t.Errorf("%d bytes: %d searched", n, p.scan)
		}
		want := 0
		if n >= head {
			want = len(input)
		}
		if p.Need() != want {
			t.Errorf("%d bytes: needs %d, want %d", n, p.Need(), want)
		}
	}
	if n, err := d.Decode(input, V12, &plainLimits, &p, &f); n != len(input) || err != nil || p != (Progress{}) {
		t.Errorf("whole: %d %v %+v", n, err, p)
	}
}

// EOLs in front of an unfinished frame are consumed, and Progress goes with the rest.
func TestLeadingEOLs(t *testing.T) {
	var (
		d Decoder
		p Progress
		f Frame
	)
	b := []byte("\r\n\n\x00SEND\ncontent-length:1\n\nx\x00")
	n, err := d.Decode(b[:len(b)-1], V12, &plainLimits, &p, &f)
	if n != 4 || err != nil || f.Command != None || p.Need() != len(b)-4 {
		t.Fatalf("%d %v %v, needs %d", n, err, f.Command, p.Need())
	}
	n, err = d.Decode(b[4:], V12, &plainLimits, &p, &f)
	if n != len(b)-4 || err != nil || f.Command != Send {
		t.Errorf("%d %v %v", n, err, f.Command)
	}
}

// One decoder serves interleaved unfinished frames.
func TestDecoderIsShared(t *testing.T) {
	var (
		d      Decoder
		f      Frame
		p1, p2 Progress
		one    = []byte("SEND\na:\\c1\nb:1\n\n1\x00")
		two    = []byte("SEND\na:\\c2\nb:2\n\n2\x00")
	)
	for n := 1; n < len(one); n++ {
		for _, err := range []error{
			func() error { _, err := d.Decode(one[:n], V12, &plainLimits, &p1, &f); return err }(),
			func() error { _, err := d.Decode(two[:n], V12, &plainLimits, &p2, &f); return err }(),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := d.Decode(one, V12, &plainLimits, &p1, &f); err != nil || show(&f) != `SEND "a"=":1" "b"="1" "1"` {
		t.Errorf("%s %v", show(&f), err)
	}
	if _, err := d.Decode(two, V12, &plainLimits, &p2, &f); err != nil || show(&f) != `SEND "a"=":2" "b"="2" "2"` {
		t.Errorf("%s %v", show(&f), err)
	}
}

func TestHeadersAliasTheInput(t *testing.T) {
	var (
		d Decoder
		p Progress
		f Frame
	)
	b := []byte("SEND\na:x\nb:\\cy\n\nz\x00")
	if _, err := d.Decode(b, V12, &plainLimits, &p, &f); err != nil {
		t.Fatal(err)
	}
	b[7], b[12], b[16] = 'X', '?', 'Z'
	if got := show(&f); got != `SEND "a"="X" "b"=":y" "Z"` {
		t.Error(got)
	}
}

func TestGet(t *testing.T) {
	f := Frame{Headers: []Header{{[]byte("a"), []byte("1")}, {[]byte("A"), []byte("2")}, {[]byte("a"), []byte("3")}}}
	for name, want := range map[string]string{"a": "1", "A": "2"} {
		if got, ok := f.Get(name); !ok || string(got) != want {
			t.Errorf("%s: %q %v", name, got, ok)
		}
	}
	if got, ok := f.Get("b"); ok || got != nil {
		t.Errorf("b: %q %v", got, ok)
	}
}

func TestErrorTextsNeedNoEscape(t *testing.T) {
	for _, e := range []*Error{errCommand, errBareCR, errNUL, errColon, errUTF8, errEscape, errContentLength,
		errUnterminated, errBody, errHeartbeat, errManyHeaders, errLongLine, errLongHead, errLongBody} {
		if got := string(AppendEscaped(nil, V12, e.Text)); got != e.Error() {
			t.Errorf("%q", e.Text)
		}
	}
}

func TestParseDigits(t *testing.T) {
	for _, test := range []struct {
		in   string
		most uint64
		n    uint64
		ok   bool
	}{
		{"0", 10, 0, true},
		{"10", 10, 10, true},
		{"11", 10, 10, true},
		{"99999999999999999999999999", math.MaxUint32, math.MaxUint32, true},
		{"99999999999999999999999999x", 10, 0, false},
		{"", 10, 0, false},
		{"-1", 10, 0, false},
	} {
		if n, ok := parseDigits([]byte(test.in), test.most); n != test.n || ok != test.ok {
			t.Errorf("%q: %d %v", test.in, n, ok)
		}
	}
}
