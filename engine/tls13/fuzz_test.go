package tls13

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"testing"
)

// script makes what a client sends from the bytes of a fuzzer: records that are right, records that are sealed well and
// contain nonsense, and records that are broken. No more than one change of keys comes with each four bytes.
func script(r *rig, in []byte) (out []byte) {
	next := func() byte {
		if len(in) == 0 {
			return 0
		}
		b := in[0]
		in = in[1:]
		return b
	}
	some := func(n int) string {
		n = min(n, len(in))
		s := string(in[:n])
		in = in[n:]
		return s
	}
	for len(in) > 0 && len(out) < 1<<20 {
		switch op := next(); op % 16 {
		default:
			out = append(out, r.data(some(int(op/16)+1))...)
		case 1:
			out = append(out, r.data("")...)
		case 2:
			out = append(out, r.record(typeApplication, some(int(next())), int(next()))...)
		case 3:
			out = append(out, r.update(op/16%2)...)
		case 4:
			all := cuts(updateSize)
			out = append(out, r.update(next()%2, all[int(next())%len(all)]...)...)
		case 5:
			out = append(out, r.record(typeAlert, some(2), 0)...)
		case 6:
			out = append(out, r.record(typeAlert, some(int(op/16)), 0)...)
		case 7:
			out = append(out, r.record(typeHandshake, some(int(op/16)), 0)...)
		case 8:
			out = append(out, r.record(next(), some(int(op/16)), int(next()))...)
		case 9:
			out = append(out, some(int(op/16))...)
		case 10:
			if len(out) > 0 {
				out[int(next())*len(out)/256] ^= 1 << (op / 16 % 8)
			}
		case 11:
			out = append(out, r.record(typeApplication, string(make([]byte, maxContent-8+int(op/16))), 0)...)
		case 12:
			out = append(out, r.record(typeHandshake, "\x18\x00\x00\x01"+some(int(op/16)), 0)...)
		case 13:
			out = append(out, r.record(typeAlert, "\x01\x5a", int(op/16))...)
		}
	}
	return out
}

var seeds = []string{
	"", "\x00a", "\x10ab\x01\x00c\x03\x13\x00d", "\x04\x00\x03\x04\x01\x0f\x00x", "\x05\x01\x00", "\x05\x02\x28", "\x27\x18\x00",
	"\x1c\x00", "\x2c\x00\x00", "\x1c\x07", "\x09\xff", "\x59\x14\x03\x03\x00\x01", "\x00aa\x10\x80", "\x8b\x9b", "\x0d\x1d\x5d\x00y",
	"\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01", "\x02\x05abcde\x07\x00z", "\x57\x18\x00\x00\x02\x00",
	"\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03\x03",
}

// FuzzOpen: the same comes out however the bytes arrive, and nothing after an error.
func FuzzOpen(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s), uint8(len(s)))
	}
	f.Fuzz(func(t *testing.T, in []byte, id uint8) {
		r := newRig(t, allSuites[int(id)%len(allSuites)])
		up, down := r.server.in.secret, r.server.out.secret
		stream := script(r, in)
		want, wantErr := open(r.layer, &r.server, stream, len(stream)+1)
		for i, piece := range []int{1, 7, len(stream)/2 + 1} {
			var again Records
			size := r.server.suite().hashSize
			again.begin(r.server.state&suiteBits, up[:size], down[:size])
			got, err := open(r.layer, &again, stream, piece)
			if string(got) != string(want) || err != wantErr {
				t.Fatalf("in pieces of %d: %d bytes and %v; at once: %d bytes and %v", piece, len(got), err, len(want), wantErr)
			}
			if err == nil && i == 0 {
				out, err := r.layer.Seal(nil, &again, []byte("answer"))
				if err != nil || len(out) == 0 {
					t.Fatal(err)
				}
			} else if err == nil {
				continue
			} else if _, _, err := r.layer.Open(&again, []byte{typeApplication}); err != ErrClosed {
				t.Fatal(err)
			}
		}
	})
}

// FuzzCryptoTLS: crypto/tls finds the same data in the same bytes, and refuses what is refused here.
func FuzzCryptoTLS(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r, server, wire := twins(t)
		stream := script(r, in)
		if len(stream) == 0 {
			return
		}
		got, err := open(r.layer, &r.server, stream, len(stream))
		if r.server.hasty > maxUseless {
			return // crypto/tls takes any number of keys
		}
		if _, err := wire.Write(stream); err != nil {
			t.Fatal(err)
		}
		wire.out.close()
		want, wantErr := io.ReadAll(server)
		if errors.Is(err, errType) && wantErr == nil && len(got) <= len(want) {
			return // change_cipher_spec, which crypto/tls passes over
		}
		// crypto/tls waits for a whole record, or a whole message, before it refuses some.
		early := outcome(wantErr) == "it ended" && (err == errType || err == errVersion || err == errOverflow || err == errMAC || err == errMessage || err == errUpdateLength)
		if string(got) != string(want) || outcome(err) != outcome(wantErr) && !early {
			t.Fatalf("here %d bytes and %v, crypto/tls has %d bytes and %v", len(got), err, len(want), wantErr)
		}
	})
}

// outcome is what became of a connection.
func outcome(err error) string {
	var remote RemoteAlert
	var op interface{ Temporary() bool }
	switch {
	case err == nil, errors.Is(err, ErrCloseNotify), errors.Is(err, io.ErrUnexpectedEOF):
		return "it ended" // io.ReadAll does not tell which
	case errors.As(err, &remote):
		return "a remote error"
	case errors.As(err, &op) && err.Error()[:len("remote error")] == "remote error":
		return "a remote error"
	}
	return "a refusal"
}

// twins is a server of crypto/tls and Records with the same secrets, and a client for both.
func twins(t testing.TB) (r *rig, server *tls.Conn, wire end) {
	t.Helper()
	a, b := inMemory()
	client := tls.Client(b, clientConf())
	done := make(chan error, 1)
	go func() { done <- client.HandshakeContext(context.Background()) }()
	var secrets Secrets
	conf := serverConf()
	conf.KeyLogWriter = &secrets
	conf.SessionTicketsDisabled = true
	s := &shim{Conn: a, secrets: &secrets}
	server = tls.Server(s, conf)
	if err := server.HandshakeContext(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	id := server.ConnectionState().CipherSuite
	index, _ := indexOf(id)
	r = &rig{t: t, layer: NewLayer(0)}
	up, down := secrets.client, secrets.server
	r.client.begin(index, down.bytes[:down.size], up.bytes[:up.size])
	if err := secrets.TakeOver(&r.server, id, s.flight); err != nil {
		t.Fatal(err)
	}
	if r.server.out.number != 0 {
		t.Fatal("there is a ticket")
	}
	t.Cleanup(func() { _ = a.Close() })
	return r, server, b
}
