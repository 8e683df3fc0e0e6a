package tls13

import (
	"crypto/cipher"
	"slices"
)

// maxUseless is how many records in a row may carry no data: each of them costs as much as one that does.
const maxUseless = 16

// sizeOf is the size of the protected record that b begins with, 0 when its header is not complete. A header that is wrong is
// refused as soon as that can be seen. After the handshake the outer type is always application_data (sections 5 and 5.2).
func sizeOf(b []byte) (int, error) {
	if len(b) > 0 && b[0] != typeApplication {
		return 0, errType
	}
	if len(b) > 1 && b[1] != 3 {
		return 0, errVersion
	}
	if len(b) < headerSize {
		return 0, nil
	}
	if b[2] != 3 {
		return 0, errVersion
	}
	n := int(b[3])<<8 | int(b[4])
	switch {
	case n > maxEncrypted:
		return 0, errOverflow
	case n < tagSize:
		return 0, errMAC
	}
	return headerSize + n, nil
}

// Open opens the whole records that in begins with, in place, and moves their data together. plain is that data, a part of
// in; n is how many bytes of in are used up. in[n:] is the beginning of a record, shorter than the longest one that is
// allowed: it is offered again with what follows it, which costs only a look at its header.
//
// plain counts also with an error, and may be changed. Every error is final. A KeyUpdate is obeyed; the answer that it asks for is sealed with
// the next data.
func (l *Layer) Open(r *Records, in []byte) (plain []byte, n int, err error) {
	plain, n, err = l.openAll(r, in)
	if err != nil {
		r.state &^= inOpen
	}
	return slices.Clip(plain), n, err
}

func (l *Layer) openAll(r *Records, in []byte) (plain []byte, n int, err error) {
	if !r.is(inOpen) {
		return nil, 0, ErrClosed
	}
	var aead cipher.AEAD
	for {
		size, err := sizeOf(in[n:])
		if err != nil {
			return plain, n, err
		}
		if size == 0 || size > len(in)-n {
			return plain, n, nil
		}
		if aead == nil {
			if aead, err = r.in.aead(r.suite()); err != nil {
				return plain, n, errInternal
			}
		}
		content, kind, err := l.open(r, aead, in[n:n+size])
		n += size
		if err == nil {
			err = r.content(kind, content)
		}
		switch {
		case err == errNewKey:
			l.stats.KeyUpdates++
			aead = nil
		case err != nil:
			return plain, n, err
		case kind == typeApplication && plain == nil:
			plain = content
		case kind == typeApplication:
			plain = append(plain, content...) // content is behind it
		}
	}
}

// open decrypts one record in place, and returns its content and type.
func (l *Layer) open(r *Records, aead cipher.AEAD, record []byte) (content []byte, kind byte, err error) {
	r.in.take(&l.nonce)
	header, body := record[:headerSize], record[headerSize:]
	inner, err := aead.Open(body[:0], l.nonce[:], body, header)
	if err != nil {
		return nil, 0, errMAC
	}
	if len(inner) > maxContent+1 {
		return nil, 0, errLong
	}
	for i := len(inner) - 1; i >= 0; i-- { // padding (section 5.4)
		if inner[i] != 0 {
			return inner[:i], inner[i], nil
		}
	}
	return nil, 0, errNoType
}

// content does what a record asks for, but for its data. It returns errNewKey when the next record has another key.
func (r *Records) content(kind byte, content []byte) error {
	if r.part > 0 && kind != typeHandshake {
		return errInterleaved
	}
	switch kind {
	case typeApplication:
		if len(content) == 0 {
			return r.uselessRecord()
		}
		r.useless = 0
		return nil
	case typeAlert:
		return r.alert(content)
	case typeHandshake:
		return r.handshake(content)
	}
	return errContentType
}

// uselessRecord counts a record without data.
func (r *Records) uselessRecord() error {
	if r.useless++; r.useless > maxUseless {
		return errEmpty
	}
	return nil
}

// alert is final but for user_canceled. The level says nothing (section 6).
func (r *Records) alert(content []byte) error {
	if len(content) != 2 {
		return errAlert
	}
	switch a := Alert(content[1]); a {
	case CloseNotify:
		return ErrCloseNotify
	case userCanceled:
		return r.uselessRecord()
	default:
		return RemoteAlert(a)
	}
}
