package main

import (
	"context"
	"strings"
	"testing"

	"stentor/engine/auth"
)

// A node for trials trusts the provider that is started with it, and needs no token still.
func TestDevWithProvider(t *testing.T) {
	p, err := openProvider("--provider", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.start())
	s := startDev(t, p.keys("demo"))
	user := func(c auth.Credentials) string {
		t.Helper()
		type answer struct {
			id  auth.Identity
			err *auth.Error
		}
		done := make(chan answer, 1)
		id, failed, ok := s.auth.Authenticate(c, func(id auth.Identity, err *auth.Error) { done <- answer{id, err} })
		if !ok {
			got := <-done
			id, failed = got.id, got.err
		}
		if failed != nil {
			return "refused: " + failed.Code
		}
		return id.User
	}
	token := strings.TrimSpace(asks(p.issuer + "/token?sub=ann"))
	if got := user(auth.Credentials{Token: token}); got != "ann" {
		t.Errorf("with a token: %q", got)
	}
	if got := user(auth.Credentials{Project: "demo"}); got != "" {
		t.Errorf("without one: %q", got)
	}
}

func TestProviderIsOfThisMachine(t *testing.T) {
	for args, want := range map[string]string{
		"provider --listen 0.0.0.0:8082":          `stentor provider: --listen: found "0.0.0.0:8082", allowed: a loopback address, as in 127.0.0.1:8082`,
		"serve --dev --provider 10.0.0.1:8082":    `stentor serve: --provider: found "10.0.0.1:8082", allowed: a loopback address, as in 127.0.0.1:8082`,
		"serve --provider 127.0.0.1:0":            `stentor serve: --provider goes with --dev`,
		"serve --config x --provider 127.0.0.1:0": `stentor serve: --provider goes with --dev`,
	} {
		if got := cli(t, strings.Fields(args)...); got.code != exitUsage || !strings.HasPrefix(got.err, want) {
			t.Errorf("%s: %+v", args, got)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if got := execute(ctx, "", "provider", "--listen", "127.0.0.1:0"); got.code != exitOK || !strings.Contains(got.out, "token?sub=ann") {
		t.Errorf("%+v", got)
	}
}
