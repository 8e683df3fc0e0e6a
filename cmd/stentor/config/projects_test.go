package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"stentor/engine/auth"
	"stentor/engine/destination"
)

// publicKey returns the PEM of a new ES256 key.
func publicKey(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// write puts files into a new folder, and returns the path of the first.
func write(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, files[i]), []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, files[0])
}

func TestProjectConfigs(t *testing.T) {
	t.Run("plain", func(t *testing.T) { testProjectConfigs(t, "") })
	t.Run("with byte order marks", func(t *testing.T) { testProjectConfigs(t, "\uFEFF") })
}

func testProjectConfigs(t *testing.T, mark string) {
	public, secret := publicKey(t), strings.Repeat("s", 40)
	path := write(t, "stentor.yaml", mark+`
admin_keys: [root]
admin_keys_file: admins
projects:
  shop:
    keys:
      - {kid: a, alg: ES256, file: shop.pem}
      - {kid: b, alg: HS256, secret_file: shop.secret}
    api_keys: [one]
    api_keys_file: shop.keys
    issuer: https://login.example.com
    audience: push
    token_expiry: close
    destinations: plain
    patterns: true
    subscribe: [/topic/all/**]
    send: {/topic/b: deny, "/topic/a/{project}": push, /topic/c: ignore}
  demo:
    anonymous: true
`, "shop.pem", mark+public, "shop.secret", mark+secret+"\n", "shop.keys", mark+"# of the back end\ntwo\n\n  three\r\n", "admins", mark+"admin\n")
	c, err := Load(path, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.ProjectConfigs()
	if err != nil {
		t.Fatal(err)
	}
	want := []auth.ProjectConfig{{
		Name: "demo", Anonymous: true, UserClaims: []string{"sub", "userName"}, SubscribeClaim: "subscribe",
		Subscribe: []string{"/topic/{project}/**", "/user/**"},
	}, {
		Name: "shop", Keys: []auth.Key{{ID: "a", Alg: "ES256", PEM: []byte(public), Secret: []byte{}}, {ID: "b", Alg: "HS256", Secret: []byte(secret)}},
		APIKeys: []string{"one", "two", "three"}, Issuer: "https://login.example.com", Audience: "push",
		UserClaims: []string{"sub", "userName"}, SubscribeClaim: "subscribe", CloseOnExpiry: true,
		Style: destination.Plain, Patterns: true, Subscribe: []string{"/topic/all/**"},
		Send: []auth.SendRule{{Pattern: "/topic/a/{project}", Action: auth.Push}, {Pattern: "/topic/b", Action: auth.Deny}, {Pattern: "/topic/c", Action: auth.Ignore}},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n%+v\nwant\n%+v", got, want)
	}
	admins, err := c.AllAdminKeys()
	if err != nil || !reflect.DeepEqual(admins, []string{"root", "admin"}) {
		t.Errorf("%v, %v", admins, err)
	}
}

func TestProjectConfigsMistakes(t *testing.T) {
	path := write(t, "stentor.yaml", `projects:
  shop:
    keys:
      - {kid: a, alg: RS256, file: ec.pem}
      - {kid: b, alg: ES256, file: text.pem}
      - {kid: c, alg: HS256, secret_file: ec.pem}
  blog:
    keys:
      - {alg: ES256, file: none.pem}
      - {alg: HS256, secret_file: short}
      - {alg: ES256, file: empty}
    api_keys_file: keys
`, "ec.pem", publicKey(t), "text.pem", "x", "short", "abc\n", "empty", "\n", "keys", "good\nnot good\n")
	c, err := Load(path, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.ProjectConfigs()
	dir := filepath.Dir(path)
	want := strings.Join([]string{
		`PATH:4: projects.shop.keys[0]: key "a": RS256 takes an RSA key of at least 2048 bits, found an ECDSA key on P-256`,
		`PATH:5: projects.shop.keys[1]: key "b": found no PEM block, allowed are PUBLIC KEY, RSA PUBLIC KEY and CERTIFICATE`,
		`PATH:6: projects.shop.keys[2]: key "c": HS256 takes a secret of random bytes, found a PEM block "PUBLIC KEY"`,
		`PATH:9: projects.blog.keys[0].file: found "none.pem", which cannot be read: open DIR/none.pem: no such file or directory`,
		`PATH:10: projects.blog.keys[1].secret_file: found a secret of 3 bytes in "short", allowed: at least 32`,
		`PATH:11: projects.blog.keys[2].file: found "empty", which is empty`,
		`PATH:12: projects.blog.api_keys_file: line 2 of "keys" is no key, allowed: a key of visible ASCII characters without spaces`,
	}, "\n")
	if got := strings.NewReplacer(path, "PATH", dir, "DIR").Replace(fmt.Sprint(err)); got != want {
		t.Errorf("\n%s\nwant\n%s", got, want)
	}
}
