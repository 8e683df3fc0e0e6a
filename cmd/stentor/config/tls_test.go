package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stentor/engine/testkit/certificate"
)

// secureConfig is a configuration with TLS, in a directory with a certificate. More is appended.
func secureConfig(t *testing.T, more string) (file string) {
	t.Helper()
	dir := t.TempDir()
	pair, err := certificate.New()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pair.Write(dir); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(dir, "stentor.yaml")
	text := "node: {id: a}\nprojects: {shop: {anonymous: true}}\n" + more
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

const twoFiles = "certificates: [{cert: push.pem, key: push.pem.key}]"

func TestTLS(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"whole", `listen: {client: ["0.0.0.0:8443 tls", "127.0.0.1:8090 tls proxy_protocol", "unix:/run/x tls"], trusted_proxies: [127.0.0.1]}
tls: {` + twoFiles + "}", ""},
		{"the API", "listen: {api_tls: true}\ntls: {" + twoFiles + "}", ""},
		{"no certificate", `listen: {client: "0.0.0.0:8443 tls"}`, `listen.client: found "0.0.0.0:8443 tls", which needs tls.certificates`},
		{"no certificate for the API", `listen: {api_tls: true}`, "listen.api_tls: found true, which needs tls.certificates"},
		{"no listener", "tls: {" + twoFiles + "}", "tls.certificates: found certificates that no listener serves, allowed: "},
		{"no key", "listen: {api_tls: true}\ntls: {certificates: [{cert: push.pem}]}", "tls.certificates[0]: no key, allowed: key"},
		{"no such file", "listen: {api_tls: true}\ntls: {certificates: [{cert: push.pem, key: none.key}]}", `tls.certificates[0].key: found "none.key", which cannot be read: `},
		{"another key", "listen: {api_tls: true}\ntls: {certificates: [{cert: push.pem, key: push.pem}]}", "push.pem: "},
		{"version", "listen: {api_tls: true}\ntls: {min_version: 1.1, " + twoFiles + "}", `tls.min_version: found "1.1", allowed: 1.2, 1.3`},
		{"records", "listen: {api_tls: true}\ntls: {records: mine, " + twoFiles + "}", `tls.records: found "mine", allowed: auto, go`},
		{"authorities", "listen: {api_tls: true}\ntls: {client_ca: push.pem.key, " + twoFiles + "}", "found no certificate, allowed: a PEM file"},
		{"authorities by name", "listen: {api_tls: true}\ntls: {client_ca: push.pem.key, " + twoFiles + "}", "4: tls.client_ca: "},
		{"ticket keys by name", "listen: {api_tls: true}\ntls: {ticket_keys_file: none, " + twoFiles + "}", `4: tls.ticket_keys_file: found "none", which cannot be read: open `},
		{"ticket keys", "listen: {api_tls: true}\ntls: {ticket_keys_file: push.pem, " + twoFiles + "}", "line 1 is not a key, allowed: a key a line, 64 hexadecimal digits"},
		{"alone", "tls: {client_ca: push.pem}", "tls: found client_ca or ticket_keys_file without certificates"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := secureConfig(t, c.text)
			cfg, err := Check(file, nil, nil)
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				warned := ""
				for _, w := range cfg.Dated(time.Now()) {
					warned += w.Text + "\n"
				}
				if !strings.Contains(warned, `"push.pem" expires at`) {
					t.Errorf("warnings: %s", warned)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), file) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}
