package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
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
