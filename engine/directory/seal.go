package directory

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
)

// MinKeyBytes is the length of the shortest cluster key.
const MinKeyBytes = 32

// The seal of a beat is the last member of its JSON object:
//
//	{"instance":"...", ... ,"mac":"1:" and 64 lower-case hex digits "}
//
// The digits are HMAC-SHA-256, under the cluster's key, of these bytes one after another:
//
//	"stentor beat 1" NUL, the node's id (the record's key) NUL, and the value up to the comma before "mac"
//
// So the seal covers the bytes as they were written, with fields that the reader does not know, and nothing has to be
// written again in some canonical form. The 1 is the version: a changed form of the text gets another number.
const (
	sealText   = "stentor beat 1\x00"
	sealBefore = `,"mac":"1:`
	sealAfter  = `"}`
	sealBytes  = len(sealBefore) + 2*sha256.Size + len(sealAfter)
)

// seal adds the MAC to body, a JSON object that is not empty.
func seal(key []byte, node string, body []byte) []byte {
	text := body[:len(body)-1]
	sum := mac(key, node, text)
	sealed := make([]byte, 0, len(text)+sealBytes)
	sealed = append(append(sealed, text...), sealBefore...)
	return append(hex.AppendEncode(sealed, sum), sealAfter...)
}

func mac(key []byte, node string, text []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(sealText))
	h.Write([]byte(node))
	h.Write([]byte{0})
	h.Write(text)
	return h.Sum(nil)
}

// seals are the possible results of checking a value's MAC.
type seals int

const (
	unsealed seals = iota
	sealed         // with the key
	broken         // with another key, for another node, or of another text
)

// check returns how value is sealed.
func check(key []byte, node string, value []byte) seals {
	if !bytes.Contains(value, []byte(`"mac"`)) {
		return unsealed
	}
	at := len(value) - sealBytes
	if at < 0 || !bytes.HasPrefix(value[at:], []byte(sealBefore)) || !bytes.HasSuffix(value, []byte(sealAfter)) {
		return broken
	}
	var sum [sha256.Size]byte
	if _, err := hex.Decode(sum[:], value[at+len(sealBefore):len(value)-len(sealAfter)]); err != nil {
		return broken
	}
	if !hmac.Equal(sum[:], mac(key, node, value[:at])) {
		return broken
	}
	return sealed
}
