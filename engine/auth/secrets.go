package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
)

// secrets are API keys, of which only digests are kept.
type secrets [][sha256.Size]byte

func newSecrets(field string, keys []string) (secrets, error) {
	s := make(secrets, 0, len(keys))
	for i, k := range keys {
		if err := checkSecret(k); err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", field, i, err)
		}
		s = append(s, digest(k))
	}
	return s, nil
}

// checkSecret says whether k can be sent as a bearer token. The error does not show it.
func checkSecret(k string) error {
	if k == "" {
		return errors.New("the key is empty")
	}
	for i := range len(k) {
		if k[i] <= ' ' || k[i] > '~' {
			return fmt.Errorf("byte %d of the key is not a visible ASCII character", i+1)
		}
	}
	return nil
}

// digest of a key; its cost is proportional to the length of the key.
func digest(k string) [sha256.Size]byte { return sha256.Sum256([]byte(k)) }

// has takes the same time whichever key it is, and whether it is one at all.
func (s secrets) has(sum [sha256.Size]byte) bool {
	found := 0
	for i := range s {
		found |= subtle.ConstantTimeCompare(s[i][:], sum[:])
	}
	return found == 1
}
