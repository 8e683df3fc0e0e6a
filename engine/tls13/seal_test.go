package tls13

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestSeal(t *testing.T) {
	forSuites(t, func(t *testing.T, r *rig) {
		long := strings.Repeat("0123456789", 5000)
		for _, want := range []string{"a", long, long[:maxContent-1], long[:maxContent], long[:maxContent+1], long[:2*maxContent], long[:2*maxContent+1]} {
			out := r.seal(want)
			if n := len(want) + (len(want)+maxContent-1)/maxContent*overhead; len(out) != n || n > sealedLen(len(want)) {
				t.Errorf("%d bytes for %d, at most %d", len(out), len(want), sealedLen(len(want)))
			}
			r.gets(out, want)
		}
		if out := r.seal(""); len(out) != 0 || sealedLen(0) != 0 {
			t.Errorf("%d bytes for none", len(out))
		}
	})
}

// What is sealed is not changed: other connections get it too. dst keeps what it has.
func TestSealKeepsItsInput(t *testing.T) {
	r := newRig(t, AES128GCMSHA256)
	a := bytes.Repeat([]byte("a"), 40000)
	out, err := r.layer.Seal([]byte("before"), &r.server, a)
	if err != nil || !bytes.HasPrefix(out, []byte("before")) {
		t.Fatal(err)
	}
	if bytes.Count(a, []byte("a")) != 40000 {
		t.Error("the data has changed")
	}
	r.gets(out[len("before"):], string(a))
}

// The same bytes look different each time, for each connection.
func TestSealDiffers(t *testing.T) {
	r, other := newRig(t, AES128GCMSHA256), newRig(t, AES128GCMSHA256)
	a, b, c := r.seal("some bytes"), r.seal("some bytes"), other.seal("some bytes")
	if bytes.Equal(a, b) || bytes.Equal(a, c) {
		t.Error("two records are equal")
	}
}

func TestAlert(t *testing.T) {
	for _, a := range []Alert{CloseNotify, UnexpectedMessage, BadRecordMAC, RecordOverflow, IllegalParameter, DecodeError, ProtocolVersion, InternalError} {
		r := newRig(t, AES256GCMSHA384)
		out, err := r.layer.Alert(r.seal("last"), &r.server, a)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := open(r.layer, &r.client, out, len(out))
		var remote RemoteAlert
		if a == CloseNotify && err != ErrCloseNotify || a != CloseNotify && (!errors.As(err, &remote) || Alert(remote) != a) || string(plain) != "last" {
			t.Errorf("%v: %q, %v", a, plain, err)
		}
		if strings.HasPrefix(a.String(), "alert") {
			t.Errorf("%d has no name", a)
		}
		// Nothing follows it.
		number := r.server.out.number
		if out, err := r.layer.Seal(nil, &r.server, []byte("a")); err != ErrClosed || len(out) > 0 {
			t.Errorf("%d bytes after an alert, %v", len(out), err)
		}
		if out, err := r.layer.Alert(nil, &r.server, a); err != ErrClosed || len(out) > 0 {
			t.Errorf("%d bytes after an alert, %v", len(out), err)
		}
		if r.server.out.number != number {
			t.Error("the number has changed")
		}
		// The other direction goes on.
		if got := r.took(r.data("a")); got != "a" {
			t.Error(got)
		}
	}
}
