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
	"slices"
	"strings"
	"testing"

	"stentor/engine/auth"
	"stentor/engine/destination"
	"stentor/engine/jwks"
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
		`PATH:4: projects.shop.keys[0]: key "a": RS256 takes an RSA key of 2048 to 8192 bits, found an ECDSA key on P-256`,
		`PATH:5: projects.shop.keys[1]: key "b": found no PEM block, allowed are PUBLIC KEY, RSA PUBLIC KEY and CERTIFICATE`,
		`PATH:6: projects.shop.keys[2]: key "c": HS256 takes a secret of random bytes, found a PEM block "PUBLIC KEY"`,
		`PATH:9: projects.blog.keys[0].file: found "none.pem", which cannot be read: open DIR/none.pem: no such file or directory`,
		`PATH:10: projects.blog.keys[1].secret_file: found a secret of 3 bytes in "short", allowed: at least 32`,
		`PATH:11: projects.blog.keys[2].file: found "empty", which is empty`,
		`PATH:12: projects.blog.api_keys_file: line 2 of "keys" is not a key, allowed: a key of visible ASCII characters without spaces`,
	}, "\n")
	if got := strings.NewReplacer(path, "PATH", dir, "DIR").Replace(fmt.Sprint(err)); got != want {
		t.Errorf("\n%s\nwant\n%s", got, want)
	}
}

// Check reports what is wrong in the file and in the files that it names at once, and nothing twice.
func TestCheckReportsAllAtOnce(t *testing.T) {
	path := write(t, "stentor.yaml", `limits: {headers: 1}
admin_keys_file: none
kafka: {properties: {no.such.property: 1, acks: 1}}
projects:
  shop:
    keys: [{alg: ES256, file: none.pem}]
    slow: {policy: shout}
  blog:
    anonymous: true
    api_keys_file: keys
    topic: [1]
`, "keys", "a b\n")
	_, err := Check(path, nil, nil)
	want := strings.Join([]string{
		`PATH:1: limits.headers: found "1", allowed: a whole number, 8 to 10000`,
		`PATH:2: admin_keys_file: found "none", which cannot be read: open DIR/none: no such file or directory`,
		`PATH:3: kafka.properties: acks cannot be set: an answered push is on all in-sync replicas`,
		`PATH:3: kafka.properties: librdkafka: No such configuration property: "no.such.property"`,
		`PATH:6: projects.shop.keys[0].file: found "none.pem", which cannot be read: open DIR/none.pem: no such file or directory`,
		`PATH:7: projects.shop.slow.policy: found "shout", allowed: disconnect, drop-oldest, keep-latest`,
		`PATH:10: projects.blog.api_keys_file: line 1 of "keys" is not a key, allowed: a key of visible ASCII characters without spaces`,
		`PATH:11: projects.blog.topic: found a list, allowed: a word`,
	}, "\n")
	got := strings.NewReplacer(path, "PATH", filepath.Dir(path), "DIR").Replace(fmt.Sprint(err))
	if got != want {
		t.Errorf("\n%s\nwant\n%s", got, want)
	}
}

func TestTopicsThatKafkaTakesForOne(t *testing.T) {
	path := write(t, "stentor.yaml", `bus: kafka
kafka: {brokers: ["k:1"], nodes_topic: stentor_push.c}
projects:
  a.b: {anonymous: true}
  a_b: {anonymous: true}
  c: {anonymous: true}
`)
	_, err := Load(path, nil, nil)
	got := strings.ReplaceAll(fmt.Sprint(err), path, "PATH")
	const why = ": its metrics treat a dot and an underscore alike, allowed: a name with another difference"
	want := strings.Join([]string{
		`PATH:5: projects.a_b: its topic is "stentor.push.a_b", which Kafka cannot distinguish from "stentor.push.a.b" of projects.a.b` + why,
		`PATH:5: projects.a_b: its topic is "stentor.in.a_b", which Kafka cannot distinguish from "stentor.in.a.b" of projects.a.b` + why,
		`PATH:6: projects.c: its topic is "stentor.push.c", which Kafka cannot distinguish from "stentor_push.c" of kafka.nodes_topic` + why,
	}, "\n")
	if got != want {
		t.Errorf("\n%s\nwant\n%s", got, want)
	}
}

func TestWarnings(t *testing.T) {
	long := strings.Repeat("k", 16)
	path := write(t, "stentor.yaml", `admin_keys: [`+long+`-a, short]
endpoints: [{path: /ws, origins: ["file://", "null"]}]
projects:
  a: {keys: [{alg: HS256, secret_file: secret}], api_keys: [`+long+`], api_keys_file: keys}
  b: {keys: [{alg: HS256, secret: "`+strings.Repeat("s", 32)+`"}], api_keys: ["${KEY}"]}
  c: {keys: [{jwks_url: "https://login.example.com/keys"}]}
`, "secret", strings.Repeat("s", 32)+"\n", "keys", "tiny\n"+long+"-b\n")
	c, err := Load(path, []string{"KEY=" + long}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"stentor.yaml": 0o604, "secret": 0o644, "keys": 0o640} {
		if err := os.Chmod(filepath.Join(filepath.Dir(path), name), mode); err != nil {
			t.Fatal(err)
		}
	}
	var lines []string
	for _, w := range c.Warnings() {
		lines = append(lines, w.String())
	}
	got := strings.NewReplacer(path, "PATH", filepath.Dir(path), "DIR").Replace(strings.Join(lines, "\n"))
	want := strings.Join([]string{
		`PATH: every user of this host can read the secrets in "PATH" (mode 0604), better: chmod o-r`,
		`PATH:1: admin_keys[1]: a key of 5 characters can be guessed, better: at least 16 random ones`,
		`PATH:2: endpoints[0].origins[1]: every page can send this origin, from a sandboxed frame, as with "*", better: the origin of the app, as in file:// or capacitor://localhost`,
		`PATH:4: projects.a.keys[0].secret_file: every user of this host can read the secrets in "DIR/secret" (mode 0644), better: chmod o-r`,
		`PATH:4: projects.a.api_keys_file: a key of 4 characters can be guessed, better: at least 16 random ones`,
		`PATH:5: projects.b.keys[0].secret: projects.a has the same secret, so whoever has one has both, better: a secret of its own`,
		`PATH:5: projects.b.api_keys: projects.a.api_keys has the same secret, so whoever has one has both, better: a secret of its own`,
		`PATH:6: projects.c.keys[0]: the provider's tokens for other applications are accepted as well, better: the project's audience`,
	}, "\n")
	if got != want {
		t.Errorf("\n%s\nwant\n%s", got, want)
	}
}

// TestPagesAreWarnedOf: a cluster whose nodes have names that it does not know refuses every page.
func TestPagesAreWarnedOf(t *testing.T) {
	const kafka = "bus: kafka\nkafka: {brokers: [\"b:9092\"]}\nprojects: {a: {anonymous: true}}\n"
	for _, c := range []struct {
		text string
		want int
	}{
		{"projects: {a: {anonymous: true}}\n", 0},
		{kafka, 1},
		{kafka + "endpoints: [{path: /a}, {path: /b, origins: [\"https://shop.example.com\"]}, {path: /c}]\n", 2},
		{kafka + "listen: {names: [push.example.com]}\n", 0},
		{kafka + "listen: {trusted_proxies: [10.0.0.1]}\n", 0},
		{kafka + "listen: {client: [\"127.0.0.1:8080\", \"unix:/run/x.sock\"]}\n", 0},
		{kafka + "listen: {client: [\"[::1]:8080\", \"10.0.0.1:8080\"]}\n", 1},
	} {
		cfg, err := Load(write(t, "stentor.yaml", c.text), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := slices.DeleteFunc(cfg.Warnings(), func(w Problem) bool { return w.Key == "advertise.clients" })
		if len(got) != c.want {
			t.Errorf("%s: %v", c.text, got)
		}
		for _, w := range got {
			if !strings.HasPrefix(w.Key, "endpoints[") || !strings.HasSuffix(w.Key, ".origins") {
				t.Errorf("the key is %s", w.Key)
			}
		}
	}
}

// TestProviders: keys of identity providers beside a key from a file.
func TestProviders(t *testing.T) {
	path := write(t, "stentor.yaml", `projects:
  a:
    audience: push
    keys:
      - {issuer_url: "https://login.example.com/a", algorithms: [RS256]}
      - {kid: k, alg: HS256, secret: `+strings.Repeat("s", 32)+`}
      - {jwks_url: "https://login.example.com/keys?tenant=secret"}
  b: {audience: push, keys: [{jwks_url: "https://login.example.com/keys?tenant=other"}]}
`)
	c, err := Load(path, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.ProjectConfigs()
	if err != nil {
		t.Fatal(err)
	}
	want := []jwks.Spec{{Issuer: "https://login.example.com/a", Algorithms: []string{"RS256"}}, {URL: "https://login.example.com/keys?tenant=secret", Algorithms: jwks.Algorithms}}
	if len(got[0].Keys) != 1 || !reflect.DeepEqual(got[0].Providers, want) {
		t.Errorf("%+v", got[0])
	}
	if names := c.Providers(); !slices.Equal(names, []string{"https://login.example.com/a", "https://login.example.com/keys"}) {
		t.Errorf("%q", names)
	}
}
