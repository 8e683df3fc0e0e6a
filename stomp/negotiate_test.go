package stomp

import (
	"math"
	"testing"
)

func TestNegotiate(t *testing.T) {
	for _, test := range []struct {
		accept  string
		present bool
		want    Version
		ok      bool
	}{
		{"", false, V10, true},
		{"1.0", true, V10, true},
		{"1.1", true, V11, true},
		{"1.0,1.1,1.2", true, V12, true},
		{"1.2,1.1,1.0", true, V12, true},
		{"1.1,2.0", true, V11, true},
		{"1.0, 1.1", true, V11, true},
		{"2.0", true, V10, false},
		{"1.20", true, V10, false},
		{"", true, V10, false},
		{",", true, V10, false},
	} {
		if got, ok := Negotiate([]byte(test.accept), test.present); got != test.want || ok != test.ok {
			t.Errorf("%q %v: %v %v", test.accept, test.present, got, ok)
		}
	}
	if _, ok := Negotiate([]byte(Versions), true); !ok {
		t.Error("Versions has none in common with itself")
	}
}

func TestSubprotocol(t *testing.T) {
	for v := V10; v <= V12; v++ {
		if got, ok := ParseSubprotocol(v.Subprotocol()); got != v || !ok {
			t.Errorf("%v: %v %v", v, got, ok)
		}
	}
	for _, s := range []string{"", "v13.stomp", "V12.stomp"} {
		if _, ok := ParseSubprotocol(s); ok {
			t.Errorf("%q accepted", s)
		}
	}
}

func TestParseHeartbeat(t *testing.T) {
	for _, test := range []struct {
		in      string
		present bool
		cx, cy  uint32
		ok      bool
	}{
		{"", false, 0, 0, true},
		{"0,0", true, 0, 0, true},
		{"10000,20000", true, 10000, 20000, true},
		{"10000, 20000", true, 10000, 20000, true},
		{"99999999999999999999,1", true, math.MaxUint32, 1, true},
		{"", true, 0, 0, false},
		{"1", true, 0, 0, false},
		{"1,", true, 0, 0, false},
		{",1", true, 0, 0, false},
		{"1,2,3", true, 0, 0, false},
		{"-1,2", true, 0, 0, false},
		{"1.5,2", true, 0, 0, false},
	} {
		cx, cy, err := ParseHeartbeat([]byte(test.in), test.present)
		if cx != test.cx || cy != test.cy || (err == nil) != test.ok {
			t.Errorf("%q: %d %d %v", test.in, cx, cy, err)
		}
	}
}

func TestNegotiateHeartbeat(t *testing.T) {
	for _, test := range []struct{ sx, sy, cx, cy, send, receive uint32 }{
		{10, 10, 0, 0, 0, 0},
		{0, 0, 10, 10, 0, 0},
		{10, 20, 5, 30, 30, 20},
		{10, 20, 50, 3, 10, 50},
		{10, 0, 5, 5, 10, 0},
		{0, 10, 5, 5, 0, 10},
	} {
		if send, receive := NegotiateHeartbeat(test.sx, test.sy, test.cx, test.cy); send != test.send || receive != test.receive {
			t.Errorf("%+v: %d %d", test, send, receive)
		}
	}
}
