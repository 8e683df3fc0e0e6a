package tls13

import (
	"crypto/cipher"
	"slices"
)

// Sizes of records (sections 5.1 and 5.2).
const (
	headerSize   = 5
	maxContent   = 1 << 14
	maxEncrypted = maxContent + 256
)

// Types of content (appendix B.1).
const (
	typeAlert       = 21
	typeHandshake   = 22
	typeApplication = 23
)

// overhead is what a record has beside its content: header, type and tag.
const overhead = headerSize + 1 + tagSize

// Seal appends records with the bytes of p, which is not changed; dst must not overlap it. What it appends must be sent, or the
// connection closed. It appends nothing when there are no bytes. It allocates nothing when dst has room, the AEAD is kept, and no
// key changes.
func (l *Layer) Seal(dst []byte, r *Records, p []byte) ([]byte, error) {
	if !r.is(outOpen) {
		return dst, ErrClosed
	}
	if len(p) == 0 {
		return dst, nil
	}
	aead, err := l.outbound(r)
	if err != nil {
		return dst, r.failOut()
	}
	begin := len(dst)
	for len(p) > 0 {
		if r.is(owing) || r.out.number >= l.updateAfter {
			if dst, aead, err = l.sealUpdate(dst, r, aead); err != nil {
				return dst[:begin], err
			}
		}
		size, start := min(len(p), maxContent), len(dst)
		dst = slices.Grow(dst, size+overhead)[:start+headerSize]
		dst, p = append(dst, p[:size]...), p[size:]
		dst = l.seal(dst, start, r, aead, typeApplication)
	}
	return dst, nil
}

// Alert appends an alert, and ends the outbound half.
func (l *Layer) Alert(dst []byte, r *Records, a Alert) ([]byte, error) {
	if !r.is(outOpen) {
		return dst, ErrClosed
	}
	aead, err := l.outbound(r)
	if err != nil {
		return dst, r.failOut()
	}
	r.state &^= outOpen
	level := byte(fatal)
	if a == CloseNotify {
		level = warning
	}
	start := len(dst)
	dst = append(dst, make([]byte, headerSize)...)
	dst = append(dst, level, byte(a))
	return l.seal(dst, start, r, aead, typeAlert), nil
}

// seal makes what dst has from start on, which is room for a header and the content, a record of that type (section 5.2).
func (l *Layer) seal(dst []byte, start int, r *Records, aead cipher.AEAD, content byte) []byte {
	dst = append(dst, content)
	dst = slices.Grow(dst, tagSize)
	header, inner := dst[start:start+headerSize], dst[start+headerSize:]
	size := len(inner) + tagSize
	header[0], header[1], header[2], header[3], header[4] = typeApplication, 3, 3, byte(size>>8), byte(size)
	r.out.take(&l.nonce)
	observe(&r.out, r.suite(), &l.nonce)
	aead.Seal(inner[:0], l.nonce[:], inner, header)
	return dst[:len(dst)+tagSize]
}

// failOut ends the outbound half.
func (r *Records) failOut() error {
	r.state &^= outOpen
	return errInternal
}
