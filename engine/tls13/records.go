package tls13

import (
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"sync"
)

// Records is one connection after the handshake: its traffic secrets, keys and numbers, both ways. The zero value has ended;
// Secrets.TakeOver begins it. It belongs to the loop of its Layer. It must not be copied: both copies would use the same
// numbers.
//
// It leaves 40 bytes of the 256-byte size class to the struct around it.
type Records struct {
	_       [0]sync.Mutex // go vet finds copies
	in, out half
	place   uint32 // of its AEAD in the Layer, plus 1; 0 none. The Layer checks that it is still this connection's
	// suite is the index in suites in the low bits, and flags.
	state   uint8
	useless uint8 // records in a row without data
	hasty   uint8 // keys of the peer in a row that were hardly used
	part    uint8 // bytes of a KeyUpdate that is not complete
}

// Flags of Records.state. The two lowest bits are the suite.
const (
	suiteBits       = 3
	inOpen    uint8 = 4 << iota
	outOpen
	owing // the peer asked for a KeyUpdate, which is not sealed yet
)

// half is one direction of a connection.
type half struct {
	number uint64 // of the next record
	iv     [ivSize]byte
	key    [maxKey]byte
	secret [maxSecret]byte
}

func (r *Records) suite() *suite { return &suites[r.state&suiteBits] }

func (r *Records) is(flag uint8) bool { return r.state&flag != 0 }

// begin sets the secret of a half, and derives its key and IV (section 7.3).
func (h *half) begin(s *suite, secret []byte) {
	copy(h.secret[:], secret)
	h.number = 0
	from := s.expander(secret)
	expand(from, h.key[:s.keySize], labelKey)
	expand(from, h.iv[:], labelIV)
}

// Format implements fmt.Formatter: secrets are not printed, whatever asks for it.
func (r *Records) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, "TLS 1.3 records") }

// aead makes the AEAD of the half's key.
func (h *half) aead(s *suite) (cipher.AEAD, error) { return s.aead(h.key[:s.keySize]) }

// update derives the next secret and begins with it (section 7.2).
func (h *half) update(s *suite) {
	var next [maxSecret]byte
	secret := next[:s.hashSize]
	expand(s.expander(h.secret[:s.hashSize]), secret, labelUpdate)
	h.begin(s, secret)
}

// take uses up the number of the next record, and puts its nonce into nonce (section 5.3). Nothing else changes numbers: two
// records with one key and nonce would reveal both, and the key of the MAC. It is called before the cipher, so that the
// number is used up also when that fails. 64 bits do not overflow.
func (h *half) take(nonce *[ivSize]byte) {
	copy(nonce[:], h.iv[:])
	low := nonce[ivSize-8:]
	binary.BigEndian.PutUint64(low, binary.BigEndian.Uint64(low)^h.number)
	h.number++
}
