package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"stentor/engine/jwks"
)

// Key is the configuration of one key that tokens are signed with.
type Key struct {
	ID  string // kid; may be empty
	Alg string // RS256, ES256, EdDSA or HS256
	// PEM is the public key for all but HS256: PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE.
	PEM []byte
	// Secret is for HS256, at least 32 bytes.
	Secret []byte
}

// The algorithms. Each key is for one of them and is never used with another.
const (
	rs256 = "RS256"
	es256 = "ES256"
	edDSA = "EdDSA"
	hs256 = "HS256"
)

const minSecretBytes = 32

// key is a Key ready for use.
type key struct {
	id, alg  string
	material any // *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey or []byte
}

func parseKey(k Key) (key, error) {
	material, err := parseMaterial(k)
	if err != nil {
		return key{}, fmt.Errorf("key %q: %w", k.ID, err)
	}
	return key{id: k.ID, alg: k.Alg, material: material}, nil
}

func parseMaterial(k Key) (any, error) {
	switch k.Alg {
	case hs256:
		if len(k.PEM) > 0 {
			return nil, errors.New("HS256 takes a secret, found a PEM file")
		}
		if block, _ := pem.Decode(k.Secret); block != nil {
			return nil, fmt.Errorf("HS256 takes a secret of random bytes, found a PEM block %q", block.Type)
		}
		if len(k.Secret) < minSecretBytes {
			return nil, fmt.Errorf("HS256 takes a secret of at least %d bytes, found %d", minSecretBytes, len(k.Secret))
		}
		return append([]byte(nil), k.Secret...), nil
	case rs256, es256, edDSA:
	default:
		return nil, fmt.Errorf("found alg %q, allowed are RS256, ES256, EdDSA and HS256", k.Alg)
	}
	if len(k.Secret) > 0 {
		return nil, fmt.Errorf("%s takes a public key as PEM, found a secret", k.Alg)
	}
	public, err := parsePublic(k.PEM)
	if err != nil {
		return nil, err
	}
	if jwks.Algorithm(public) == k.Alg {
		return public, nil
	}
	return nil, fmt.Errorf("%s takes %s, found %s", k.Alg, wanted[k.Alg], describe(public))
}

var wanted = map[string]string{
	rs256: "an RSA key of 2048 to 8192 bits",
	es256: "an ECDSA key on P-256",
	edDSA: "an Ed25519 key",
}

func describe(public crypto.PublicKey) string {
	switch p := public.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("an RSA key of %d bits", p.N.BitLen())
	case *ecdsa.PublicKey:
		return "an ECDSA key on " + p.Curve.Params().Name
	case ed25519.PublicKey:
		return "an Ed25519 key"
	}
	return fmt.Sprintf("a key of type %T", public)
}

// parsePublic reads the one public key that text has.
func parsePublic(text []byte) (crypto.PublicKey, error) {
	const allowed = "allowed are PUBLIC KEY, RSA PUBLIC KEY and CERTIFICATE"
	block, rest := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("found no PEM block, %s", allowed)
	}
	if more, _ := pem.Decode(rest); more != nil {
		return nil, errors.New("found more than one PEM block, a key has one")
	}
	var public crypto.PublicKey
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		public, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		public, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var c *x509.Certificate
		if c, err = x509.ParseCertificate(block.Bytes); err == nil {
			public = c.PublicKey
		}
	default:
		return nil, fmt.Errorf("found a PEM block %q, %s", block.Type, allowed)
	}
	if err != nil {
		return nil, fmt.Errorf("PEM block %q: %w", block.Type, err)
	}
	return public, nil
}
