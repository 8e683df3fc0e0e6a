package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"strings"
	"sync"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// signer has both halves of a key.
type signer struct {
	alg     string
	private any // what golang-jwt signs with
	pem     []byte
	secret  []byte
}

func (s *signer) key(id string) Key { return Key{ID: id, Alg: s.alg, PEM: s.pem, Secret: s.secret} }

// sign makes a token. Claims that are a string are the payload as it is.
func (s *signer) sign(t testing.TB, kid string, claims any) string {
	t.Helper()
	header := map[string]any{"alg": s.alg}
	if kid != "" {
		header["kid"] = kid
	}
	return signWith(t, jwt.GetSigningMethod(s.alg), s.private, header, claims)
}

func publicPEM(public crypto.PublicKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func newRSA(bits int) *signer {
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return &signer{alg: rs256, private: k, pem: publicPEM(k.Public())}
}

func newECDSA(curve elliptic.Curve) *signer {
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		panic(err)
	}
	return &signer{alg: es256, private: k, pem: publicPEM(k.Public())}
}

func newEd25519() *signer {
	public, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return &signer{alg: edDSA, private: k, pem: publicPEM(public)}
}

func newHMAC() *signer {
	secret := make([]byte, 32)
	rand.Read(secret)
	return &signer{alg: hs256, private: secret, secret: secret}
}

// ecCurve is the curve of ES256.
var ecCurve = elliptic.P256()

// signers are made once: RSA keys take their time.
var signers = sync.OnceValue(func() map[string]*signer {
	return map[string]*signer{
		rs256: newRSA(2048),
		es256: newECDSA(ecCurve),
		edDSA: newEd25519(),
		hs256: newHMAC(),
	}
})

func TestParseKeyForms(t *testing.T) {
	k := signers()[rs256].private.(*rsa.PrivateKey)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"PKCS 1":      {Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&k.PublicKey)},
		"certificate": {Type: "CERTIFICATE", Bytes: cert},
	} {
		parsed, err := parseKey(Key{ID: "a", Alg: rs256, PEM: pem.EncodeToMemory(block)})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !k.PublicKey.Equal(parsed.material) {
			t.Errorf("%s: another key", name)
		}
	}
	for alg, s := range signers() {
		if _, err := parseKey(s.key("a")); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
	}
}

func TestParseKeyErrors(t *testing.T) {
	all := signers()
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")})
	n := new(big.Int).Lsh(big.NewInt(1), 8199)
	large := pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&rsa.PublicKey{N: n.SetBit(n, 0, 1), E: 65537})})
	for _, c := range []struct {
		name string
		key  Key
		want []string
	}{
		{"no alg", Key{ID: "k1"}, []string{`"k1"`, `found alg ""`, "RS256, ES256, EdDSA and HS256"}},
		{"none", Key{ID: "k1", Alg: "none"}, []string{`found alg "none"`}},
		{"RS512", Key{ID: "k1", Alg: "RS512", PEM: all[rs256].pem}, []string{`found alg "RS512"`}},
		{"case", Key{ID: "k1", Alg: "rs256", PEM: all[rs256].pem}, []string{`found alg "rs256"`}},
		{"small", newRSA(1024).key("k1"), []string{`"k1"`, "RSA key of 2048 to 8192 bits", "RSA key of 1024 bits"}},
		{"large", Key{ID: "k1", Alg: rs256, PEM: large}, []string{"RSA key of 2048 to 8192 bits", "RSA key of 8200 bits"}},
		{"curve", newECDSA(elliptic.P384()).key("k1"), []string{"ECDSA key on P-256", "ECDSA key on P-384"}},
		{"other kind", Key{ID: "k1", Alg: rs256, PEM: all[es256].pem}, []string{"an RSA key", "found an ECDSA key on P-256"}},
		{"other kind", Key{ID: "k1", Alg: edDSA, PEM: all[rs256].pem}, []string{"an Ed25519 key", "found an RSA key of 2048 bits"}},
		{"other kind", Key{ID: "k1", Alg: es256, PEM: all[edDSA].pem}, []string{"an ECDSA key on P-256", "found an Ed25519 key"}},
		{"no PEM", Key{ID: "k1", Alg: rs256, PEM: []byte("hello")}, []string{"no PEM block", "PUBLIC KEY, RSA PUBLIC KEY and CERTIFICATE"}},
		{"private", Key{ID: "k1", Alg: rs256, PEM: private}, []string{`PEM block "PRIVATE KEY"`, "PUBLIC KEY, RSA PUBLIC KEY and CERTIFICATE"}},
		{"two", Key{ID: "k1", Alg: rs256, PEM: append(append([]byte{}, all[rs256].pem...), all[es256].pem...)}, []string{"more than one PEM block"}},
		{"garbage", Key{ID: "k1", Alg: rs256, PEM: []byte("-----BEGIN PUBLIC KEY-----\naGk=\n-----END PUBLIC KEY-----\n")}, []string{`"k1"`, `PEM block "PUBLIC KEY"`}},
		{"secret for RS256", Key{ID: "k1", Alg: rs256, PEM: all[rs256].pem, Secret: make([]byte, 32)}, []string{"found a secret"}},
		{"short secret", Key{ID: "k1", Alg: hs256, Secret: make([]byte, 31)}, []string{"at least 32 bytes, found 31"}},
		{"PEM for HS256", Key{ID: "k1", Alg: hs256, PEM: all[rs256].pem}, []string{"HS256 takes a secret"}},
		{"public key as secret", Key{ID: "k1", Alg: hs256, Secret: all[rs256].pem}, []string{"random bytes", `PEM block "PUBLIC KEY"`}},
	} {
		_, err := parseKey(c.key)
		if err == nil {
			t.Errorf("%s: accepted", c.name)
			continue
		}
		for _, w := range c.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %q has no %q", c.name, err, w)
			}
		}
	}
}
