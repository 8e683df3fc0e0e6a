package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"stentor/cmd/stentor/config"
	"stentor/engine/auth"
	"stentor/engine/jwks"
)

// verify checks a token as a node with this key does, and returns its user.
func verify(t *testing.T, key auth.Key, token string) (string, *auth.Error) {
	t.Helper()
	p, err := auth.NewProject(auth.ProjectConfig{Name: "shop", Keys: []auth.Key{key}, Issuer: "https://login.example.com", Audience: "push"})
	if err != nil {
		t.Fatal(err)
	}
	projects, err := auth.NewProjects([]*auth.Project{p}, nil)
	if err != nil {
		t.Fatal(err)
	}
	a := auth.NewAuthenticator(projects, auth.Options{Workers: 1, Queue: 1})
	defer a.Close()
	type answer struct {
		id  auth.Identity
		err *auth.Error
	}
	done := make(chan answer, 1)
	id, failed, ok := a.Authenticate(auth.Credentials{Project: "shop", Token: token}, func(id auth.Identity, err *auth.Error) { done <- answer{id, err} })
	if !ok {
		got := <-done
		id, failed = got.id, got.err
	}
	return id.User, failed
}

// The key set that stands in for an identity provider has the public key alone.
func TestTokenKeySet(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	got := cli(t, "token", "--generate", "--alg", "EdDSA", "--key", file, "--kid", "a", "--jwks")
	keys, passed, err := jwks.Parse([]byte(got.out), jwks.Algorithms)
	if got.code != exitOK || err != nil || passed != 0 || len(keys) != 1 || keys[0].ID != "a" || keys[0].Alg != "EdDSA" || strings.Contains(got.out, `"d"`) {
		t.Errorf("%+v: %+v, %v", got, keys, err)
	}
	if got := cli(t, "token", "--secret-file", file, "--jwks"); got.code != exitUsage {
		t.Errorf("of a secret: %+v", got)
	}
}

func TestTokenGenerate(t *testing.T) {
	for _, alg := range []string{"RS256", "ES256", "EdDSA", "HS256", ""} {
		t.Run(alg, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "key")
			args := []string{"token", "--sub", "ann", "--iss", "https://login.example.com", "--aud", "push", "--kid", "a", "--generate"}
			key := auth.Key{ID: "a", Alg: alg}
			if alg == "HS256" {
				args = append(args, "--secret-file", file)
			} else {
				args = append(args, "--key", file)
			}
			if alg == "" {
				key.Alg = "ES256"
			} else {
				args = append(args, "--alg", alg)
			}
			got := cli(t, args...)
			if got.code != exitOK {
				t.Fatalf("%+v", got)
			}
			if alg == "HS256" {
				key.Secret = config.Secret([]byte(readFile(t, file)))
			} else {
				key.PEM = []byte(readFile(t, file+".pub"))
			}
			if want := "keys: [{kid: a, alg: " + key.Alg + ", "; !strings.Contains(got.err, want) {
				t.Errorf("%q does not say %q", got.err, want)
			}
			if user, err := verify(t, key, strings.TrimSpace(got.out)); user != "ann" || err != nil {
				t.Errorf("%q, %v", user, err)
			}
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the private key is readable: %v, %v", info.Mode(), err)
			}

			if info, err := os.Stat(file + ".pub"); alg != "HS256" && (err != nil || info.Mode().Perm() != 0o644) {
				t.Errorf("the node's user cannot read the public key: %v, %v", info.Mode(), err)
			}

			// The key that is there is used, and not replaced.
			before := readFile(t, file)
			if again := cli(t, args...); again.code != exitFailure || !strings.Contains(again.err, "already exists") {
				t.Errorf("%+v", again)
			}
			args = append(args, "--generate=false", "--exp", "-1m")
			got = cli(t, args...)
			if _, err := verify(t, key, strings.TrimSpace(got.out)); got.code != exitOK || err == nil || err.Code != "expired" || readFile(t, file) != before {
				t.Errorf("%+v, %v", got, err)
			}
			if got := cli(t, append(args, "--generate", "--force")...); got.code != exitOK || readFile(t, file) == before {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestTokenFromConfig(t *testing.T) {
	dir := t.TempDir()
	name, secret := filepath.Join(dir, "stentor.yaml"), strings.Repeat("s", 32)
	text := `projects:
  shop:
    issuer: https://login.example.com
    audience: push
    keys: [{kid: b, alg: HS256, secret_file: shop.secret}]
  open: {anonymous: true}
`
	for file, content := range map[string]string{name: text, filepath.Join(dir, "shop.secret"): secret + "\n"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := cli(t, "token", "--config", name, "-p", "shop", "--sub", "ann")
	if user, err := verify(t, auth.Key{ID: "b", Alg: "HS256", Secret: []byte(secret)}, strings.TrimSpace(got.out)); user != "ann" || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
	if got := cli(t, "token", "--config", name, "-p", "open"); got.code != exitFailure || !strings.HasSuffix(got.err, "project open has no such HS256 key; sign with a private key instead: --key\n") {
		t.Errorf("%+v", got)
	}
	if got := cli(t, "token", "--config", name, "-p", "shp"); got.code != exitUsage || !strings.Contains(got.err, `--project: found "shp", allowed: open, shop`) {
		t.Errorf("%+v", got)
	}
}

func TestTokenJSON(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	got := cli(t, "token", "--generate", "--secret-file", file, "--json", "--sub", "ann", "--exp", "10m",
		"--claim", `subscribe=["/topic/shop/a"]`, "--claim", "level=3", "--claim", "team=blue=green")
	var r struct {
		Token          string
		Header, Claims map[string]any
	}
	if err := json.Unmarshal([]byte(got.out), &r); err != nil {
		t.Fatalf("%v: %+v", err, got)
	}
	exp, ok := r.Claims["exp"].(float64)
	if left := time.Until(time.Unix(int64(exp), 0)); !ok || left < 9*time.Minute || left > 10*time.Minute {
		t.Errorf("expires in %v", left)
	}
	delete(r.Claims, "exp")
	delete(r.Claims, "iat")
	if want := map[string]any{"sub": "ann", "level": 3.0, "team": "blue=green", "subscribe": []any{"/topic/shop/a"}}; !reflect.DeepEqual(r.Claims, want) {
		t.Errorf("%v", r.Claims)
	}
	if r.Header["alg"] != "HS256" || r.Header["kid"] != nil || strings.Count(r.Token, ".") != 2 {
		t.Errorf("%+v", r)
	}
	if got := cli(t, "token", "--secret-file", file, "--json", "--exp", "0"); strings.Contains(got.out, `"exp"`) {
		t.Errorf("%+v", got)
	}
}

func TestTokenKeyMistakes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if got := cli(t, "token", "--generate", "--key", file); got.code != exitOK {
		t.Fatalf("%+v", got)
	}
	for _, one := range []struct{ args, want string }{
		{"--key " + file + ".pub", file + ".pub: this is a public key, which verifies; a token is signed with the private one"},
		{"--key " + file + " --alg RS256", file + ": the key is for ES256, not for RS256"},
		{"--key " + file + ".none", "open " + file + ".none: no such file or directory"},
	} {
		got := cli(t, append([]string{"token"}, strings.Fields(one.args)...)...)
		if got != (result{exitFailure, "", "stentor token: " + one.want + "\n"}) {
			t.Errorf("%+v, want %s", got, one.want)
		}
	}
}
