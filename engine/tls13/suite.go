package tls13

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"hash"

	"golang.org/x/crypto/chacha20poly1305"
)

// Cipher suites (appendix B.4).
const (
	AES128GCMSHA256        uint16 = 0x1301
	AES256GCMSHA384        uint16 = 0x1302
	ChaCha20Poly1305SHA256 uint16 = 0x1303
)

// suite is how a cipher suite derives keys and seals.
type suite struct {
	hash     func() hash.Hash
	hashSize int
	keySize  int
	aead     func(key []byte) (cipher.AEAD, error)
}

// suites are found by the suite's number minus the first one, plus 1; 0 means none.
var suites = [...]suite{
	1: {sha256.New, sha256.Size, 16, newGCM},
	2: {sha512.New384, sha512.Size384, 32, newGCM},
	3: {sha256.New, sha256.Size, chacha20poly1305.KeySize, chacha20poly1305.New},
}

// Sizes that all suites have (RFC 5116) or that the largest one has.
const (
	ivSize    = 12
	tagSize   = 16
	maxKey    = 32
	maxSecret = sha512.Size384
)

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// indexOf is the place of a cipher suite in suites.
func indexOf(id uint16) (uint8, bool) {
	if id < AES128GCMSHA256 || id > ChaCha20Poly1305SHA256 {
		return 0, false
	}
	return uint8(id - AES128GCMSHA256 + 1), true
}

// Supported reports whether connections with this cipher suite can be taken over. In FIPS 140 mode none can: there only
// crypto/tls itself may choose nonces.
func Supported(id uint16) bool {
	_, ok := indexOf(id)
	return ok && !fips140.Enabled()
}

// Labels of the key schedule (sections 7.2 and 7.3).
const (
	labelKey    = "key"
	labelIV     = "iv"
	labelUpdate = "traffic upd"
)

// expander is the HMAC that expand takes, for a secret.
func (s *suite) expander(secret []byte) hash.Hash { return hmac.New(s.hash, secret) }

// expand is HKDF-Expand-Label with an empty context (section 7.1). It fills out, which is no longer than the hash: so that it is
// the first block of HKDF-Expand (RFC 5869 section 2.3).
func expand(h hash.Hash, out []byte, label string) {
	const prefix = "tls13 "
	info := make([]byte, 0, 64)
	info = append(info, byte(len(out)>>8), byte(len(out)), byte(len(prefix)+len(label)))
	info = append(info, prefix...)
	info = append(info, label...)
	info = append(info, 0, 1) // no context; the number of the block
	h.Reset()
	_, _ = h.Write(info)
	block := h.Sum(info[:0])
	copy(out, block[:len(out)])
	clear(block)
}
