package load

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

func identities(t testing.TB, args ...string) *identity {
	t.Helper()
	s, f := NewSpec()
	if err := f.Parse(args); err != nil {
		t.Fatal(err)
	}
	s.Scenario = "connect"
	if err := s.check(); err != nil {
		t.Fatal(err)
	}
	id, users, err := newIdentity(s)
	if err != nil {
		t.Fatal(err)
	}
	if id.streams, err = newStreams(s, users); err != nil {
		t.Fatal(err)
	}
	return id
}

// Each connection's token is signed with the key, whatever kind it is, and is for its own user.
func TestTokens(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, key any) string {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	rsaKey, _ := rsa.GenerateKey(rand.Reader, 2048)
	ecKey, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	public, edKey, _ := ed25519.GenerateKey(rand.Reader)
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte(strings.Repeat("s", 40)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for alg, c := range map[string]struct {
		flag    string
		verify  any
		signers bool
	}{
		"RS256": {"--key=" + file("rsa", rsaKey), &rsaKey.PublicKey, true},
		"ES256": {"--key=" + file("ec", ecKey), &ecKey.PublicKey, true},
		"EdDSA": {"--key=" + file("ed", edKey), public, true},
		"HS256": {"--secret-file=" + secret, []byte(strings.Repeat("s", 40)), false},
	} {
		id := identities(t, c.flag, "--kid=k1", "--user=u{{.Number}}@{{.Project}}", "--project=a,b", "--claim=room={{.Number}}")
		headers, err := id.connect(3)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, h := range headers {
			got[string(h.Name)] = string(h.Value)
		}
		token, err := jwt.Parse(got["token"], func(*jwt.Token) (any, error) { return c.verify, nil }, jwt.WithValidMethods([]string{alg}), jwt.WithExpirationRequired())
		if err != nil {
			t.Errorf("%s: %v", alg, err)
			continue
		}
		claims := token.Claims.(jwt.MapClaims)
		if claims["sub"] != "u3@b" || claims["room"] != "3" || token.Header["kid"] != "k1" || got["projectId"] != "b" || (id.signers() > 0) != c.signers {
			t.Errorf("%s: %v %v %v", alg, token.Header, claims, got)
		}
	}
}

func BenchmarkConnectHeaders(b *testing.B) {
	id := identities(b, "--secret="+strings.Repeat("s", 40))
	for b.Loop() {
		if _, err := id.connect(7); err != nil {
			b.Fatal(err)
		}
	}
}
