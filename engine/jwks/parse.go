package jwks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// Bounds of one answer.
const (
	MaxBytes = 256 << 10
	MaxKeys  = 100
	maxKid   = 256
)

// RSA keys below are too weak, and verifying with those above takes too long.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// Algorithms are those that a key can be for. No algorithm with a shared secret is among them: whoever can read a set could sign.
var Algorithms = []string{"RS256", "ES256", "EdDSA"}

// Key is a public key that verifies tokens of one algorithm.
type Key struct {
	ID, Alg string
	// Public is an *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey.
	Public crypto.PublicKey
}

// equal reports whether two keys are the same in all.
func (k Key) equal(o Key) bool {
	p, ok := k.Public.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.ID == o.ID && k.Alg == o.Alg && p.Equal(o.Public)
}

// Parse reads a key set. Keys that cannot be used with one of the algorithms are passed over and counted; a set without any
// other is an error.
func Parse(text []byte, algorithms []string) (keys []Key, passed int, err error) {
	var set struct {
		Keys *[]json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil || set.Keys == nil {
		return nil, 0, errors.New("the answer is not a key set: a JSON object with a list of keys")
	}
	if n := len(*set.Keys); n > MaxKeys {
		return nil, 0, fmt.Errorf("the key set has %d keys, allowed are %d", n, MaxKeys)
	}
	for _, raw := range *set.Keys {
		if k, ok := parseKey(raw, algorithms); ok {
			keys = append(keys, k)
		} else {
			passed++
		}
	}
	if len(keys) == 0 {
		return nil, passed, fmt.Errorf("none of the %d keys in the set can verify tokens with %s", passed, algorithms)
	}
	return keys, passed, nil
}

// Format is the key set that Parse reads.
func Format(keys ...Key) ([]byte, error) {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, k := range keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.Public, KeyID: k.ID, Algorithm: k.Alg, Use: "sig"})
	}
	return json.Marshal(set)
}

func parseKey(raw json.RawMessage, algorithms []string) (Key, bool) {
	var use struct {
		Ops *[]string `json:"key_ops"`
	}
	var jwk jose.JSONWebKey
	switch {
	case json.Unmarshal(raw, &use) != nil || jwk.UnmarshalJSON(raw) != nil:
		return Key{}, false
	case use.Ops != nil && !slices.Contains(*use.Ops, "verify"), jwk.Use != "" && jwk.Use != "sig", len(jwk.KeyID) > maxKid:
		return Key{}, false
	}
	k := Key{ID: jwk.KeyID, Alg: Algorithm(jwk.Key), Public: jwk.Key}
	ok := k.Alg != "" && (jwk.Algorithm == "" || jwk.Algorithm == k.Alg) && slices.Contains(algorithms, k.Alg)
	return k, ok
}

// Algorithm is the one that a public key is for, wherever the key comes from; empty for all that is no key of ours: secrets and
// private keys too.
func Algorithm(key any) string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); minRSABits <= bits && bits <= maxRSABits {
			return "RS256"
		}
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return "ES256"
		}
	case ed25519.PublicKey:
		if len(k) == ed25519.PublicKeySize {
			return "EdDSA"
		}
	}
	return ""
}
