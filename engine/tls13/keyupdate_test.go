package tls13

import (
	"strings"
	"testing"
)

// permutations of the sizes in which a KeyUpdate may be cut: every way to cut five bytes.
func cuts(n int) (all [][]int) {
	if n == 0 {
		return [][]int{nil}
	}
	for first := 1; first <= n; first++ {
		for _, rest := range cuts(n - first) {
			all = append(all, append([]int{first}, rest...))
		}
	}
	return all
}

func TestKeyUpdateFragments(t *testing.T) {
	for _, id := range allSuites {
		for _, sizes := range cuts(updateSize) {
			r := newRig(t, id)
			for i := range 3 {
				if got := r.took(concat(r.data("a"), r.update(byte(i%2), sizes...), r.data("b"))); got != "ab" {
					t.Fatalf("cut in %v: %q", sizes, got)
				}
			}
		}
	}
}

func TestKeyUpdateMistakes(t *testing.T) {
	type records = func(r *rig) []byte
	message := func(contents ...string) records {
		return func(r *rig) (all []byte) {
			for _, c := range contents {
				all = append(all, r.record(typeHandshake, c, 0)...)
			}
			return all
		}
	}
	between := func(kind byte, content string) records {
		return func(r *rig) []byte {
			return concat(r.record(typeHandshake, "\x18\x00", 0), r.record(kind, content, 0), r.record(typeHandshake, "\x00\x01\x00", 0))
		}
	}
	for name, c := range map[string]struct {
		records
		want error
	}{
		"empty":                    {message(""), errEmptyMessage},
		"empty between":            {message("\x18\x00", "", "\x00\x01\x00"), errEmptyMessage},
		"length 0":                 {message("\x18\x00\x00\x00"), errUpdateLength},
		"length 2":                 {message("\x18\x00\x00\x02\x00\x00"), errUpdateLength},
		"length 257":               {message("\x18\x00\x01\x01\x00"), errUpdateLength},
		"length 2^16+1":            {message("\x18\x01"), errUpdateLength},
		"request 2":                {message("\x18\x00\x00\x01\x02"), errUpdateRequest},
		"request 255":              {message("\x18\x00\x00\x01\xff"), errUpdateRequest},
		"a byte behind":            {message("\x18\x00\x00\x01\x00\x18"), errUpdateBehind},
		"two in one record":        {message("\x18\x00\x00\x01\x00\x18\x00\x00\x01\x00"), errUpdateBehind},
		"a byte behind a fragment": {message("\x18\x00", "\x00\x01\x00\x00"), errUpdateBehind},
		"the old key":              {func(r *rig) []byte { return concat(message("\x18\x00\x00\x01\x00")(r), r.data("a")) }, errMAC},
		"data between":             {between(typeApplication, "a"), errInterleaved},
		"nothing between":          {between(typeApplication, ""), errInterleaved},
		"close_notify between":     {between(typeAlert, "\x01\x00"), errInterleaved},
		"user_canceled between":    {between(typeAlert, "\x01\x5a"), errInterleaved},
		"another type between":     {between(20, "\x01"), errInterleaved},
		"ClientHello":              {message("\x01\x00\x00\x01\x00"), errMessage},
		"NewSessionTicket":         {message("\x04\x00\x00\x01\x00"), errMessage},
		"Certificate":              {message("\x0b\x00\x00\x01\x00"), errMessage},
		"Finished":                 {message("\x14\x00\x00\x01\x00"), errMessage},
		"17 without data":          {func(r *rig) []byte { return repeat(17, func() []byte { return r.update(notRequested) }) }, errEmpty},
		"33 keys with one use each": {func(r *rig) []byte {
			return repeat(33, func() []byte { return concat(r.data(""), r.data("a"), r.update(0)) })
		}, errUpdates},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, AES128GCMSHA256)
			in := c.records(r)
			_, err := open(r.layer, &r.server, in, len(in))
			if err != c.want {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}

// A client that uses its keys may change them as often as it wants.
func TestKeyUpdateForEver(t *testing.T) {
	r := newRig(t, ChaCha20Poly1305SHA256)
	for range 1000 {
		want := strings.Repeat("a", hastyUse)
		if got := r.took(concat(repeat(hastyUse, func() []byte { return r.data("a") }), r.update(requested))); got != want {
			t.Fatal(got)
		}
	}
	if got := r.layer.Stats().KeyUpdates; got != 1000 {
		t.Errorf("%d KeyUpdates are counted", got)
	}
}

// Keys that were hardly used are forgiven once one was used.
func TestKeyUpdateForgiven(t *testing.T) {
	r := newRig(t, AES128GCMSHA256)
	for range 10 {
		r.took(repeat(maxHasty-1, func() []byte { return concat(r.data("a"), r.update(notRequested)) }))
		r.took(concat(repeat(hastyUse, func() []byte { return r.data("a") }), r.update(notRequested)))
	}
}

// However often an answer is asked for, one is owed, and it comes in front of the next data.
func TestKeyUpdateAnswer(t *testing.T) {
	forSuites(t, func(t *testing.T, r *rig) {
		plain := r.seal("a")
		r.gets(plain, "a")
		for range 5 {
			r.took(r.update(requested))
		}
		r.took(r.update(notRequested))
		first := r.seal("b")
		if len(first) != len(plain)+overhead+updateSize {
			t.Fatalf("%d bytes for an answer and data", len(first))
		}
		r.gets(first, "b")
		if next := r.seal("c"); len(next) != len(plain) {
			t.Fatalf("%d bytes for data", len(next))
		} else {
			r.gets(next, "c")
		}
		// An alert needs no new key in front of it.
		r.took(r.update(requested))
		out, err := r.layer.Alert(nil, &r.server, CloseNotify)
		if err != nil || len(out) != overhead+2 {
			t.Fatalf("%d bytes, %v", len(out), err)
		}
		if _, err := open(r.layer, &r.client, out, len(out)); err != ErrCloseNotify {
			t.Error(err)
		}
	})
}

// A client may change its key behind the server's close_notify, and asks in vain for an answer.
func TestKeyUpdateBehindTheEnd(t *testing.T) {
	forSuites(t, func(t *testing.T, r *rig) {
		if _, err := r.layer.Alert(nil, &r.server, CloseNotify); err != nil {
			t.Fatal(err)
		}
		if got := r.took(concat(r.data("a"), r.update(requested), r.data("b"))); got != "ab" {
			t.Errorf("%q", got)
		}
		if out, err := r.layer.Seal(nil, &r.server, []byte("c")); err != ErrClosed || len(out) > 0 {
			t.Errorf("%d bytes behind close_notify, %v", len(out), err)
		}
	})
}

// Before a key is used too often the server changes it, also in the middle of what is sealed.
func TestOwnKeyUpdate(t *testing.T) {
	forSuites(t, func(t *testing.T, r *rig) {
		r.server.out.number, r.client.in.number = updateAfter-2, updateAfter-2
		data := strings.Repeat("x", 5*maxContent)
		out := r.seal(data)
		r.gets(out, data)
		if len(out) != sealedLen(len(data)) {
			t.Errorf("%d bytes, not %d", len(out), sealedLen(len(data)))
		}
		if r.server.out.number != 3 || r.server.out.secret == r.client.out.secret {
			t.Errorf("the next number is %d", r.server.out.number)
		}
		// The AEAD that is kept has the new key.
		hits := r.layer.Stats().Hits
		r.gets(r.seal("a"), "a")
		if r.layer.Stats().Hits != hits+1 {
			t.Error("no AEAD is kept after a KeyUpdate")
		}
	})
}
