package tls13

import (
	"fmt"
	"strings"
	"testing"
)

func TestSecretsLines(t *testing.T) {
	random := strings.Repeat("ab", 32)
	for _, c := range []struct {
		line string
		good bool
	}{
		{"CLIENT_RANDOM " + random + " " + strings.Repeat("cd", 48) + "\n", true},
		{"CLIENT_HANDSHAKE_TRAFFIC_SECRET " + random + " xyz\n", true},
		{"EXPORTER_SECRET\n", true},
		{"", true},
		{"CLIENT_TRAFFIC_SECRET_0 " + random + " " + strings.Repeat("cd", 32), true},
		{"CLIENT_TRAFFIC_SECRET_0 " + random + " " + strings.Repeat("cd", 48) + "\n", true},
		{"CLIENT_TRAFFIC_SECRET_0 " + random + " " + strings.Repeat("cd", 31) + "\n", false},
		{"CLIENT_TRAFFIC_SECRET_0 " + random + " " + strings.Repeat("cd", 49) + "\n", false},
		{"CLIENT_TRAFFIC_SECRET_0 " + random + " " + strings.Repeat("cx", 32) + "\n", false},
		{"CLIENT_TRAFFIC_SECRET_0 " + random + " " + strings.Repeat("cd", 32) + "0\n", false},
		{"CLIENT_TRAFFIC_SECRET_0 " + random + " \n", false},
		{"CLIENT_TRAFFIC_SECRET_0\n", false},
	} {
		var s Secrets
		n, err := s.Write([]byte(c.line))
		if (err == nil) != c.good || c.good && n != len(c.line) {
			t.Errorf("%q: %d, %v", c.line, n, err)
		}
		if err != nil && strings.Contains(err.Error(), "cd") {
			t.Errorf("the error has a secret: %v", err)
		}
	}
}

func TestTakeOverRefuses(t *testing.T) {
	random := strings.Repeat("ab", 32)
	lines := func(client, server int) (s Secrets) {
		for name, n := range map[string]int{"CLIENT": client, "SERVER": server} {
			if n > 0 {
				_, _ = fmt.Fprintf(&s, "%s_TRAFFIC_SECRET_0 %s %s\n", name, random, strings.Repeat("cd", n))
			}
		}
		return s
	}
	for _, c := range []struct {
		id             uint16
		client, server int
		good           bool
	}{
		{AES128GCMSHA256, 32, 32, true},
		{AES256GCMSHA384, 48, 48, true},
		{ChaCha20Poly1305SHA256, 32, 32, true},
		{AES128GCMSHA256, 48, 48, false},
		{AES256GCMSHA384, 32, 32, false},
		{AES256GCMSHA384, 48, 32, false},
		{AES128GCMSHA256, 32, 0, false},
		{AES128GCMSHA256, 0, 32, false},
		{0x1304, 32, 32, false}, // AES_128_CCM
		{0x1300, 32, 32, false},
		{0xc02f, 32, 32, false}, // of TLS 1.2
		{0, 32, 32, false},
	} {
		var r Records
		s := lines(c.client, c.server)
		err := s.TakeOver(&r, c.id, nil)
		if (err == nil) != c.good || r.is(inOpen|outOpen) != c.good {
			t.Errorf("%+v: %v", c, err)
		}
		if s != (Secrets{}) {
			t.Errorf("%+v: secrets are left", c)
		}
		if err != nil && strings.Contains(err.Error(), "cdcd") {
			t.Errorf("the error has a secret: %v", err)
		}
	}
}

// Secrets do not show when they are printed by mistake.
func TestSecretsDoNotPrint(t *testing.T) {
	r := newRig(t, AES128GCMSHA256)
	var s Secrets
	_, _ = s.Write([]byte(traceClient))
	_, _ = s.Write([]byte(traceServer))
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		for _, text := range []string{fmt.Sprintf(format, &r.server), fmt.Sprintf(format, &s)} {
			if len(text) > 40 {
				t.Errorf("%s shows %.100s", format, text)
			}
		}
	}
}
