package main

import (
	"crypto/tls"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"stentor/engine/testkit"
)

// TestFIPS: a node under each of Go's FIPS 140 modes serves WebSockets and its API over TLS with what the mode allows, and says
// nothing of a panic. A client that has nothing the mode allows is counted as such.
func TestFIPS(t *testing.T) {
	for _, mode := range []string{"on", "only"} {
		t.Run(mode, func(t *testing.T) {
			dir := t.TempDir()
			ca := renewCertificate(t, dir)
			file := filepath.Join(dir, "stentor.yaml")
			text := `node: {id: a}
listen: {client: "127.0.0.1:0 tls", api: "127.0.0.1:0", api_tls: true}
tls: {certificates: [{cert: push.pem, key: push.pem.key}]}
projects: {demo: {keys: [{kid: a, alg: HS256, secret: "a-secret-of-a-length-that-suffices"}], api_keys: [demo-key-of-16-bytes]}}
`
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			clients, api, out := underFIPS(t, mode, file)
			token := cli(t, "token", "--config", file, "-p", "demo", "--sub", "ann")
			if token.code != 0 {
				t.Fatalf("%+v", token)
			}
			subscribed := make(chan result, 1)
			go func() {
				subscribed <- execute(t.Context(), "", "sub", "--url", clients, "--ca", ca, "-p", "demo", "--token", strings.TrimSpace(token.out), "--count", "1", "/topic/demo/all")
			}()
			access := []string{"--api", api, "--ca", ca, "-p", "demo", "--key", "demo-key-of-16-bytes"}
			testkit.Eventually(t, patience, func() string { return "a session: " + out.String() }, func() bool {
				return strings.Contains(cli(t, append([]string{"sessions"}, access...)...).out, "127.0.0.1")
			})
			testkit.Eventually(t, patience, func() string { return "a subscription" }, func() bool {
				return strings.Contains(cli(t, append([]string{"sessions", "--destination", "/topic/demo/all"}, access...)...).out, "127.0.0.1")
			})
			if got := cli(t, append(append([]string{"push", "--topic", "all"}, access...), "hello")...); got.code != 0 {
				t.Fatalf("push: %+v", got)
			}
			if got := <-subscribed; got.code != 0 || !strings.Contains(got.out, "hello") {
				t.Errorf("sub: %+v", got)
			}
			if _, err := tls.Dial("tcp", hostOf(clients), &tls.Config{InsecureSkipVerify: true, CurvePreferences: []tls.CurveID{tls.X25519}}); err == nil {
				t.Error("a client that has X25519 alone is accepted")
			}
			testkit.Eventually(t, patience, func() string { return "its refusal is logged: " + out.String() }, func() bool {
				return strings.Contains(out.String(), "no cipher suite, curve or signature in common")
			})
			if text := out.String(); strings.Contains(text, "panic") {
				t.Errorf("the log is\n%s", text)
			}
			if got := keptCiphers(t, api, ca); got != "0" {
				t.Errorf("the node seals records by itself: it has %s ciphers", got)
			}
		})
	}
}

func hostOf(url string) string {
	host, _, _ := strings.Cut(strings.TrimPrefix(url, "wss://"), "/")
	return host
}

// keptCiphers is the metric of ciphers of records that are not crypto/tls's.
func keptCiphers(t *testing.T, api, ca string) string {
	t.Helper()
	c, err := (&trustFlags{ca: ca}).client()
	if err != nil {
		t.Fatal(err)
	}
	c.Timeout = patience
	r, err := c.Get(api + "metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var body strings.Builder
	if err := r.Write(&body); err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^stentor_tls_cipher_uses_total\{cipher="made"\} (\S+)`).FindStringSubmatch(body.String())
	if found == nil {
		t.Fatalf("no metric of ciphers:\n%.2000s", body.String())
	}
	return found[1]
}

// underFIPS runs a node in a process of its own, as the mode is chosen at its start, until the test ends.
func underFIPS(t *testing.T, mode, file string) (clients, api string, out *output) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out = &output{}
	cmd := exec.Command(self, "serve", "--config", file)
	cmd.Env = append(os.Environ(), "GODEBUG=fips140="+mode)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	serving := regexp.MustCompile(`msg=serving .*clients=(wss://\S+) api=(https://\S+)`)
	var found []string
	testkit.Eventually(t, patience, func() string { return "the node serves:\n" + out.String() }, func() bool {
		found = serving.FindStringSubmatch(out.String())
		return found != nil
	})
	return found[1], found[2], out
}
