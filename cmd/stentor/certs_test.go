package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stentor/cmd/stentor/config"
	"stentor/engine/testkit"
)

// A start without its certificate says which key of which file names it.
func TestStartNamesTheMissingCertificate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f.yaml")
	for _, c := range []struct{ command, text, want string }{
		{"serve", `{listen: {client: ["127.0.0.1:0 tls"], api: "127.0.0.1:0"}, tls: {certificates: [{cert: no.pem, key: no.key}]}, projects: {shop: {anonymous: true}}}`, `f.yaml:1: tls.certificates[0].key: found "no.key", which cannot be read: `},
		{"registry", `{listen: {client: "127.0.0.1:0"}, tls: {certificate_file: no.pem, key_file: no.key}, kafka: {brokers: ["127.0.0.1:1"]}, cluster: {key: kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk}}`, `f.yaml:1: tls.key_file: found "no.key", which cannot be read: `},
	} {
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := cli(t, c.command, "--config", file); got.code != exitFailure || !strings.Contains(got.err, c.want) {
			t.Errorf("%s: %+v\nwant %s", c.command, got, c.want)
		}
	}
}

// A start says once what is about to expire.
func TestStartWarnsOfExpiryOnce(t *testing.T) {
	dir := t.TempDir()
	renewCertificate(t, dir)
	file := filepath.Join(dir, "f.yaml")
	text := `{node: {id: a}, listen: {client: ["127.0.0.1:0 tls"], api: "127.0.0.1:0"}, tls: {certificates: [{cert: push.pem, key: push.pem.key}]}, projects: {shop: {anonymous: true}}}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var log output
	s, err := start(cfg, false, &log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.serve(ctx, nil, nil) }()
	warned := func() int { return strings.Count(log.String(), "expires at") }
	testkit.Eventually(t, patience, func() string { return "the log warns: " + log.String() }, func() bool { return warned() > 0 })
	stop()
	if err := <-ended; err != nil || warned() != 1 {
		t.Errorf("%d warnings, %v\n%s", warned(), err, log.String())
	}
}

// A check says what a start would warn of, of a registry too.
func TestCheckWarnsOfExpiry(t *testing.T) {
	dir := t.TempDir()
	renewCertificate(t, dir)
	file := filepath.Join(dir, "f.yaml")
	for _, c := range []struct{ args, text string }{
		{"", `{node: {id: a}, listen: {api_tls: true}, tls: {certificates: [{cert: push.pem, key: push.pem.key}]}, projects: {shop: {anonymous: true}}}`},
		{"--registry", `{tls: {certificate_file: push.pem, key_file: push.pem.key}, kafka: {brokers: ["127.0.0.1:1"]}, cluster: {key: kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk}}`},
	} {
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := cli(t, append([]string{"config", "check", file}, strings.Fields(c.args)...)...); got.code != 0 || !strings.Contains(got.err, `"push.pem" expires at`) {
			t.Errorf("%s: %+v", c.args, got)
		}
	}
}
