package tls13

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
)

// Secrets collects the application traffic secrets of one handshake. It is the KeyLogWriter of a tls.Config that was made
// for this handshake alone. It belongs to the goroutine of the handshake.
type Secrets struct {
	client, server secret
}

type secret struct {
	bytes [maxSecret]byte
	size  int // 0 until it is there
}

// Names of lines (draft-ietf-tls-keylogfile).
var (
	clientSecret = []byte("CLIENT_TRAFFIC_SECRET_0")
	serverSecret = []byte("SERVER_TRAFFIC_SECRET_0")
)

var errLine = errors.New("a traffic secret that is not 32 or 48 hexadecimal bytes")

// Write implements io.Writer for crypto/tls, which writes one line with each call. Lines with other secrets are passed over.
func (s *Secrets) Write(line []byte) (int, error) {
	name, rest, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
	to := &s.client
	switch {
	case bytes.Equal(name, serverSecret):
		to = &s.server
	case !bytes.Equal(name, clientSecret):
		return len(line), nil
	}
	_, digits, _ := bytes.Cut(rest, []byte(" "))
	size := hex.DecodedLen(len(digits))
	if size != 32 && size != maxSecret {
		return 0, errLine
	}
	if _, err := hex.Decode(to.bytes[:], digits); err != nil {
		return 0, errLine // err has a part of the line
	}
	to.size = size
	return len(line), nil
}

// Format implements fmt.Formatter: secrets are not printed, whatever asks for it.
func (s *Secrets) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, "TLS 1.3 secrets") }

// Ready reports whether both secrets are there. What crypto/tls writes from then on is the flight that TakeOver needs.
func (s *Secrets) Ready() bool { return s.client.size > 0 && s.server.size > 0 }

// TakeOver begins r, which is zero, as the server of the connection, and wipes s. written is what crypto/tls wrote since
// Ready, or more; it is whole records. After an error the connection is closed.
func (s *Secrets) TakeOver(r *Records, id uint16, written []byte) error {
	defer func() { *s = Secrets{} }()
	if !Supported(id) {
		return fmt.Errorf("cipher suite %#04x cannot be taken over", id)
	}
	index, _ := indexOf(id)
	cs := &suites[index]
	if s.client.size != cs.hashSize || s.server.size != cs.hashSize {
		return fmt.Errorf("the handshake has traffic secrets of %d and %d bytes, cipher suite %#04x has %d", s.client.size, s.server.size, id, cs.hashSize)
	}
	r.begin(index, s.client.bytes[:cs.hashSize], s.server.bytes[:cs.hashSize])
	if err := r.pass(written); err != nil {
		*r = Records{}
		return err
	}
	return nil
}

// begin begins both halves.
func (r *Records) begin(index uint8, in, out []byte) {
	*r = Records{}
	r.in.begin(&suites[index], in)
	r.out.begin(&suites[index], out)
	r.state = index | inOpen | outOpen
}

var errFlight = errors.New("the server's last flight does not end with whole records of the application key")

// pass uses up the numbers of the records that crypto/tls has sealed with the application key, which are the last ones of
// written. What can be opened with the key was sealed with it; what is in front of them has the key of the handshake.
func (r *Records) pass(written []byte) error {
	aead, err := r.out.aead(r.suite())
	if err != nil {
		return err
	}
	var room []byte
	for len(written) > 0 {
		size, err := sizeOf(written)
		if errors.Is(err, errType) { // ServerHello, or change_cipher_spec
			size, err = unprotectedSize(written), nil
		}
		if err != nil || size == 0 || size > len(written) {
			return errFlight
		}
		record := written[:size]
		written = written[size:]
		var nonce [ivSize]byte
		next := r.out
		next.take(&nonce)
		room, err = aead.Open(room[:0], nonce[:], record[headerSize:], record[:headerSize])
		switch {
		case err == nil:
			r.out.take(&nonce)
			observe(&r.out, r.suite(), &nonce)
		case r.out.number > 0:
			return errFlight
		}
	}
	return nil
}

// unprotectedSize is the size of the record that b begins with, 0 when its header is not complete.
func unprotectedSize(b []byte) int {
	if len(b) < headerSize {
		return 0
	}
	return headerSize + int(b[3])<<8 + int(b[4])
}
