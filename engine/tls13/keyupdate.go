package tls13

import (
	"crypto/cipher"
	"errors"
)

// updateAfter is how many records a Layer seals with one key. Section 5.5 allows 2^24.5 of the longest ones for AES-GCM.
const updateAfter = 1 << 23

// A new key costs as much as some twenty records. So a peer may not go on changing keys that it hardly used: after maxHasty keys
// in a row with fewer than hastyUse records the connection ends.
const (
	hastyUse = 32
	maxHasty = 32
)

// A KeyUpdate (section 4.6.3) is a type, a length of 1 in 3 bytes, and whether an answer is asked for.
const (
	typeKeyUpdate = 24
	updateSize    = 5
	notRequested  = 0
	requested     = 1
)

// errNewKey is what Records.content returns after a KeyUpdate.
var errNewKey = errors.New("the next record has another key")

// handshake takes handshake messages. A client may send only KeyUpdate after the handshake. Its parts may come in several
// records, with no other record in between (section 5.1). The first four bytes are known, so that only their number is kept.
func (r *Records) handshake(content []byte) error {
	if len(content) == 0 {
		return errEmptyMessage
	}
	for i, b := range content {
		switch r.part {
		case 0:
			if b != typeKeyUpdate {
				return errMessage
			}
		case 1, 2:
			if b != 0 {
				return errUpdateLength
			}
		case 3:
			if b != 1 {
				return errUpdateLength
			}
		case 4:
			if i != len(content)-1 {
				return errUpdateBehind
			}
			return r.keyUpdate(b)
		}
		r.part++
	}
	return nil
}

// keyUpdate changes the key of the inbound half.
func (r *Records) keyUpdate(request byte) error {
	r.part = 0
	switch request {
	case notRequested:
	case requested:
		r.state |= owing
	default:
		return errUpdateRequest
	}
	if r.in.number >= hastyUse {
		r.hasty = 0
	} else if r.hasty++; r.hasty > maxHasty {
		return errUpdates
	}
	if err := r.uselessRecord(); err != nil {
		return err
	}
	r.in.update(r.suite())
	return errNewKey
}

// sealUpdate appends a KeyUpdate that asks for none, and changes the key of the outbound half. It returns the new AEAD.
func (l *Layer) sealUpdate(dst []byte, r *Records, aead cipher.AEAD) ([]byte, cipher.AEAD, error) {
	start := len(dst)
	dst = append(dst, make([]byte, headerSize)...)
	dst = append(dst, typeKeyUpdate, 0, 0, 1, notRequested)
	dst = l.seal(dst, start, r, aead, typeHandshake)
	r.state &^= owing
	r.out.update(r.suite())
	aead, err := r.out.aead(r.suite())
	if err != nil {
		return dst, nil, r.failOut()
	}
	l.renewed(r, aead)
	l.stats.KeyUpdates++
	return dst, aead, nil
}
