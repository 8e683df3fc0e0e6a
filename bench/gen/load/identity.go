package load

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"stentor/stomp"
)

// identity makes the CONNECT headers of connections.
type identity struct {
	streams *streams
	key     any // nil without tokens
	method  jwt.SigningMethod
	kid     string
	life    time.Duration
	claims  map[string]*pattern
	headers []header
}

type header struct {
	name  string
	value *pattern
}

// newIdentity reads the keys. It returns whether connections have users.
func newIdentity(s *Spec) (i *identity, users bool, err error) {
	i = &identity{kid: s.KeyID, life: s.TokenLife, claims: map[string]*pattern{}}
	if i.key, i.method, err = signer(s); err != nil {
		return nil, false, err
	}
	for name, text := range s.Claims {
		if i.claims[name], err = compile("claim", text); err != nil {
			return nil, false, err
		}
	}
	headers := s.Headers
	if headers == nil {
		headers = map[string]string{"projectId": "{{.Project}}"}
		if i.key != nil {
			headers["token"] = "{{.Token}}"
		}
	}
	for name, text := range headers {
		t, err := compile("connect-header", text)
		if err != nil {
			return nil, false, err
		}
		if _, err := expand(t, Fields{}); err != nil {
			return nil, false, err
		}
		users = users || strings.Contains(text, ".User") || strings.Contains(text, ".Token")
		i.headers = append(i.headers, header{name, t})
	}
	slices.SortFunc(i.headers, func(a, b header) int { return strings.Compare(a.name, b.name) })
	return i, users, nil
}

// signer returns the key that signs tokens, nil when there are none.
func signer(s *Spec) (any, jwt.SigningMethod, error) {
	given := 0
	for _, v := range []string{s.Key, s.KeyText, s.Secret, s.SecretFile} {
		if v != "" {
			given++
		}
	}
	switch {
	case given == 0:
		return nil, nil, nil
	case given > 1:
		return nil, nil, errors.New("--key, --secret and --secret-file: give one of them")
	case s.Secret != "":
		return []byte(s.Secret), jwt.SigningMethodHS256, nil
	case s.SecretFile != "":
		b, err := os.ReadFile(s.SecretFile)
		if err != nil {
			return nil, nil, fmt.Errorf("--secret-file: %w", err)
		}
		return []byte(strings.TrimRight(string(b), "\r\n")), jwt.SigningMethodHS256, nil
	}
	b := []byte(s.KeyText)
	if s.Key != "" {
		var err error
		if b, err = os.ReadFile(s.Key); err != nil {
			return nil, nil, fmt.Errorf("--key: %w", err)
		}
	}
	key, err := parseKey(b)
	if err != nil {
		return nil, nil, fmt.Errorf("--key %s: %w", s.Key, err)
	}
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return k, jwt.SigningMethodRS256, nil
	case ed25519.PrivateKey:
		return k, jwt.SigningMethodEdDSA, nil
	case *ecdsa.PrivateKey:
		if k.Curve.Params().BitSize == 256 {
			return k, jwt.SigningMethodES256, nil
		}
	}
	return nil, nil, fmt.Errorf("--key %s: want an RSA, P-256 or Ed25519 key", s.Key)
}

func parseKey(b []byte) (crypto.PrivateKey, error) {
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, errors.New("not a PEM file")
	}
	if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	return nil, errors.New("not a private key in PKCS#8, PKCS#1 or SEC 1 form")
}

// signers is how many goroutines make headers: an HMAC is cheap enough for the connections' threads, a signature not.
func (i *identity) signers() int {
	if i.key == nil || i.method == jwt.SigningMethodHS256 {
		return 0
	}
	return runtime.GOMAXPROCS(0)
}

// connect returns the CONNECT headers of a connection. Any goroutine may call it.
func (i *identity) connect(number int) ([]stomp.Header, error) {
	x := i.streams
	f := Fields{Number: number, Project: x.projects[x.project(number)]}
	var err error
	if f.User, err = x.userOf(number); err != nil {
		return nil, err
	}
	if i.key != nil {
		if f.Token, err = i.token(f); err != nil {
			return nil, err
		}
	}
	all := make([]stomp.Header, 0, len(i.headers))
	for _, h := range i.headers {
		value, err := expand(h.value, f)
		if err != nil {
			return nil, err
		}
		all = append(all, stomp.Header{Name: []byte(h.name), Value: []byte(value)})
	}
	return all, nil
}

func (i *identity) token(f Fields) (string, error) {
	now := time.Now()
	claims := jwt.MapClaims{"sub": f.User, "iat": now.Unix(), "exp": now.Add(i.life).Unix()}
	for name, t := range i.claims {
		value, err := expand(t, f)
		if err != nil {
			return "", err
		}
		claims[name] = value
	}
	t := jwt.NewWithClaims(i.method, claims)
	if i.kid != "" {
		t.Header["kid"] = i.kid
	}
	return t.SignedString(i.key)
}
