package jwks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// jwk is a key in JSON, with further members.
func jwk(t testing.TB, key any, id string, members ...string) string {
	t.Helper()
	text, err := json.Marshal(jose.JSONWebKey{Key: key, KeyID: id})
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(string(text), "}") + strings.Join(append([]string{""}, members...), ",") + "}"
}

func set(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }

func newEC(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newRSA(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestParse(t *testing.T) {
	ec, strong := newEC(t, elliptic.P256()), newRSA(t, 2048)
	ed, _, _ := ed25519.GenerateKey(rand.Reader)
	ecPublic := jwk(t, ec.Public(), "e")
	for name, c := range map[string]struct {
		key  string
		want string // alg, empty: it is passed over
	}{
		"EC":              {ecPublic, "ES256"},
		"RSA":             {jwk(t, strong.Public(), "r"), "RS256"},
		"Ed25519":         {jwk(t, ed, "d"), "EdDSA"},
		"for signatures":  {jwk(t, ec.Public(), "e", `"use":"sig"`, `"alg":"ES256"`, `"key_ops":["verify"]`, `"other":[1]`), "ES256"},
		"for encryption":  {jwk(t, strong.Public(), "r", `"use":"enc"`), ""},
		"unknown use":     {jwk(t, strong.Public(), "r", `"use":"SIG"`), ""},
		"to wrap keys":    {jwk(t, strong.Public(), "r", `"key_ops":["wrapKey"]`), ""},
		"no operation":    {jwk(t, strong.Public(), "r", `"key_ops":[]`), ""},
		"another alg":     {jwk(t, strong.Public(), "r", `"alg":"RS512"`), ""},
		"a lie about alg": {jwk(t, strong.Public(), "r", `"alg":"ES256"`), ""},
		"HS256 by alg":    {jwk(t, strong.Public(), "r", `"alg":"HS256"`), ""},
		"a secret":        {`{"kty":"oct","kid":"o","k":"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}`, ""},
		"a private key":   {jwk(t, ec, "p"), ""},
		"P-384":           {jwk(t, newEC(t, elliptic.P384()).Public(), "e"), ""},
		"a weak RSA key":  {jwk(t, newRSA(t, 1024).Public(), "r"), ""},
		"a huge RSA key":  {`{"kty":"RSA","kid":"r","e":"AQAB","n":"` + strings.Repeat("_", 3000) + `"}`, ""},
		"off the curve":   {`{"kty":"EC","crv":"P-256","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE","y":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"}`, ""},
		"a short Ed25519": {`{"kty":"OKP","crv":"Ed25519","x":"AQ"}`, ""},
		"unknown kty":     {`{"kty":"XYZ","kid":"u"}`, ""},
		"no kty":          {`{"kid":"u"}`, ""},
		"a number":        {`7`, ""},
		"null":            {`null`, ""},
		"a long kid":      {jwk(t, ec.Public(), strings.Repeat("k", 300)), ""},
		"a bad chain":     {jwk(t, ec.Public(), "e", `"x5c":["AAAA"]`), ""},
	} {
		other := jwk(t, ed, "other")
		keys, passed, err := Parse([]byte(set(c.key, other)), Algorithms)
		switch {
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want == "" && (len(keys) != 1 || passed != 1 || keys[0].ID != "other"):
			t.Errorf("%s: %d keys, %d passed over", name, len(keys), passed)
		case c.want != "" && (len(keys) != 2 || keys[0].Alg != c.want || passed != 0):
			t.Errorf("%s: %+v, %d passed over", name, keys, passed)
		}
	}
	if keys, passed, err := Parse([]byte(set(ecPublic, jwk(t, ed, "d"))), []string{"EdDSA"}); err != nil || len(keys) != 1 || passed != 1 {
		t.Errorf("with EdDSA alone: %d keys, %d passed over, %v", len(keys), passed, err)
	}
}

// Answers that are no key set change nothing.
func TestParseRefuses(t *testing.T) {
	one := jwk(t, newEC(t, elliptic.P256()).Public(), "e")
	for _, text := range []string{
		"", "{}", "[]", "null", `{"keys":null}`, `{"keys":{}}`, `{"keys":[]}`, `{"keys":"x"}`, `{"keys":[{"kty":"oct","k":"AAAA"}]}`,
		"<html>", set(one) + "x", strings.Repeat("[", 100_000), set(one)[:40], one,
		set(strings.Split(strings.TrimSuffix(strings.Repeat(one+"\n", MaxKeys+1), "\n"), "\n")...),
	} {
		if keys, _, err := Parse([]byte(text), Algorithms); err == nil || len(keys) > 0 {
			t.Errorf("%.60q: %d keys", text, len(keys))
		}
	}
}

func TestEqual(t *testing.T) {
	a, b := newEC(t, elliptic.P256()).Public(), newEC(t, elliptic.P256()).Public()
	k := func(id, alg string, p crypto.PublicKey) Key { return Key{id, alg, p} }
	for _, c := range []struct {
		o    Key
		want bool
	}{{k("a", "ES256", a), true}, {k("b", "ES256", a), false}, {k("a", "ES256", b), false}, {k("a", "RS256", a), false}, {k("a", "ES256", nil), false}} {
		if got := k("a", "ES256", a).equal(c.o); got != c.want {
			t.Errorf("%+v: %v", c.o, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(set(jwk(f, newEC(f, elliptic.P256()).Public(), "e")))
	f.Add(set(jwk(f, newRSA(f, 2048).Public(), "r", `"use":"sig"`)))
	f.Add(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AQ"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		keys, passed, err := Parse([]byte(text), Algorithms)
		if err == nil && len(keys) == 0 || len(keys)+passed > MaxKeys {
			t.Errorf("%d keys, %d passed over", len(keys), passed)
		}
		for _, k := range keys {
			if k.Alg != Algorithm(k.Public) || len(k.ID) > maxKid {
				t.Errorf("%+v", k)
			}
		}
		_ = fmt.Sprint(err)
	})
}
