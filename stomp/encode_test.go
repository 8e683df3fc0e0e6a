package stomp

import "testing"

func TestAppendHeader(t *testing.T) {
	const name, value = "a:b\\\n\r\x00", "x:y\\\n\r\x00ü "
	want := [...]string{
		V10: "a b\\   :x:y\\   ü \n",
		V11: "a\\cb\\\\\\n  :x\\cy\\\\\\n  ü \n",
		V12: "a\\cb\\\\\\n\\r :x\\cy\\\\\\n\\r ü \n",
	}
	for v := V10; v <= V12; v++ {
		if got := string(AppendHeader([]byte("-"), v, name, value)); got != "-"+want[v] {
			t.Errorf("%v: %q, want %q", v, got, want[v])
		}
		if got := string(AppendHeader(nil, v, name, []byte(value))); got != want[v] {
			t.Errorf("%v, bytes: %q, want %q", v, got, want[v])
		}
		if got, want := len(AppendEscaped(nil, v, value)), escapedLen(values[v], value); got != want {
			t.Errorf("%v: escapedLen %d, appended %d", v, want, got)
		}
	}
}

func TestAppendFrame(t *testing.T) {
	header := func(name, value string) Header { return Header{[]byte(name), []byte(value)} }
	for _, test := range []struct {
		name  string
		v     Version
		frame Frame
		want  string
	}{
		{"heart-beat", V12, Frame{}, "\n"},
		{"no headers", V12, Frame{Command: Disconnect}, "DISCONNECT\n\n\x00"},
		{"connect", V12, Frame{Command: Connect, Headers: []Header{header("login", "a:b\\\n")}}, "CONNECT\nlogin:a:b\\ \n\n\x00"},
		{"connected", V11, Frame{Command: Connected, Headers: []Header{header("server", "a:b")}}, "CONNECTED\nserver:a:b\n\n\x00"},
		{"escaped", V12, Frame{Command: Subscribe, Headers: []Header{header("id", "a:b")}}, "SUBSCRIBE\nid:a\\cb\n\n\x00"},
		{"content-length added", V12, Frame{Command: Send, Headers: []Header{header("a", "b")}, Body: []byte("x\x00y")},
			"SEND\na:b\ncontent-length:3\n\nx\x00y\x00"},
		{"content-length as given", V12, Frame{Command: ErrorCommand, Headers: []Header{header("content-length", "7")}, Body: []byte("xyz")},
			"ERROR\ncontent-length:7\n\nxyz\x00"},
	} {
		if got := string(AppendFrame(nil, test.v, &test.frame)); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestCommands(t *testing.T) {
	for c := Connect; c <= ErrorCommand; c++ {
		if got := parseCommand([]byte(c.String())); got != c {
			t.Errorf("%v is read as %v", c, got)
		}
		if len(c.String()) > longestCommand-2 {
			t.Errorf("%v is longer than the longest command", c)
		}
	}
	if got := (ErrorCommand + 1).String(); got != "" {
		t.Errorf("beyond the last command: %q", got)
	}
}
