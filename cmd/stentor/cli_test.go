package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"stentor/cmd/stentor/config"
)

// result is what a command line did.
type result struct {
	code     int
	out, err string
}

// execute runs a command line in this process, with in as its standard input.
func execute(ctx context.Context, in string, args ...string) result {
	var out, err bytes.Buffer
	root := newRootCmd()
	root.SetIn(strings.NewReader(in))
	root.SetOut(&out)
	root.SetErr(&err)
	return result{run(ctx, root, args), out.String(), err.String()}
}

// cli is execute without input and in an environment without keys.
func cli(t *testing.T, args ...string) result {
	t.Helper()
	t.Setenv(config.VariableAPIKey, "")
	t.Setenv(config.VariableToken, "")
	return execute(context.Background(), "", args...)
}

func TestUsageErrors(t *testing.T) {
	for _, one := range []struct {
		args string
		want string
	}{
		{"pusj", `stentor: unknown command "pusj", did you mean push? (see "stentor --help")`},
		{"zzzzzzzz", `stentor: unknown command "zzzzzzzz" (see "stentor --help")`},
		{"config chekc", `stentor config: unknown command "chekc", did you mean check? (see "stentor config --help")`},
		{"version --jsno", `stentor version: unknown flag: --jsno, did you mean --json? (see "stentor version --help")`},
		{"version now", `stentor version: found "now", allowed: flags only (see "stentor version --help")`},
		{"config check a b", `stentor config check: found 2 arguments, allowed: 1, the file (see "stentor config check --help")`},
		{"serv --dev", `stentor: unknown command "serv", did you mean serve? (see "stentor --help")`},
		{"config chekc --json", `stentor config: unknown command "chekc", did you mean check? (see "stentor config --help")`},
		{"version --xyzzyx", `stentor version: unknown flag: --xyzzyx (see "stentor version --help")`},
		{"drain", `stentor drain: the id of the node is missing (see "stentor drain --help")`},
		{"doctor", `stentor doctor: --connections is missing, as in --connections 100000 (see "stentor doctor --help")`},
		{"doctor --connections many", `stentor doctor: --connections: found "many", allowed: a whole number (see "stentor doctor --help")`},
		{"push -p demo --key k --topic a --ttl 1 x", `stentor push: --ttl: found "1", allowed: a duration, as in 500ms, 10s or 5m (see "stentor push --help")`},
		{"push -p demo --key k --topic= x", `stentor push: --topic: found "", allowed: a topic, as in --topic all (see "stentor push --help")`},
		{"push -p demo --key k --topic a x y", `stentor push: found 2 arguments, allowed: 1, the payload: quote one that has spaces (see "stentor push --help")`},
		{"sub --url http://127.0.0.1:8080/ws /topic/a", `stentor sub: --url: found "http://127.0.0.1:8080/ws", allowed: ws://host:port/path or wss://host/path (see "stentor sub --help")`},
		{"push --topic all x", `stentor push: --project is missing, as in --project demo (see "stentor push --help")`},
		{"push -p demo --topic all x", `stentor push: no API key: give --key, or set STENTOR_API_KEY (see "stentor push --help")`},
		{"push -p demo --key k x", `stentor push: give one of --topic, --user and --session (see "stentor push --help")`},
		{"push -p demo --key k --topic a --user b x", `stentor push: give one of --topic, --user and --session (see "stentor push --help")`},
		{"push -p demo --key k --user b x", `stentor push: --destination is missing, as in --destination /queue/orders (see "stentor push --help")`},
		{"push -p demo --key k --topic a --destination /queue/b x", `stentor push: --destination goes with --user and --session; --topic takes a full destination (see "stentor push --help")`},
		{"push -p demo --key k --topic a --header b x", `stentor push: --header: found "b", allowed: name=value (see "stentor push --help")`},
		{"push -p demo --key k --topic a --header b=1 --header b=2 x", `stentor push: --header: found "b" twice (see "stentor push --help")`},
		{"push -p demo --key k --topic a --ttl 1us x", `stentor push: --ttl: found 1µs, allowed: at least 1ms (see "stentor push --help")`},
		{"push -p demo --key k --topic a --api 127.0.0.1:8081 x", `stentor push: --api: found "127.0.0.1:8081", allowed: http://host:port or https://host (see "stentor push --help")`},
		{"kick -p demo --key k", `stentor kick: name sessions, or give --user (see "stentor kick --help")`},
		{"sub", `stentor sub: the destination, as in /topic/demo/all, is missing (see "stentor sub --help")`},
		{"sub topic", `stentor sub: "topic": a destination starts with '/' (see "stentor sub --help")`},
		{"sub --count -1 /topic/a", `stentor sub: --heartbeat and --count cannot be negative (see "stentor sub --help")`},
		{"token", `stentor token: give one of --key, --secret-file and --config (see "stentor token --help")`},
		{"token --key a --secret-file b", `stentor token: give one of --key, --secret-file and --config (see "stentor token --help")`},
		{"token --key a --alg HS256", `stentor token: --alg: found "HS256", allowed with --key: RS256, ES256, EdDSA (see "stentor token --help")`},
		{"token --secret-file a --alg RS256", `stentor token: --alg: found "RS256", allowed with a secret: HS256 (see "stentor token --help")`},
		{"token --config a", `stentor token: --config and --project go together (see "stentor token --help")`},
		{"token --key a --claim b", `stentor token: --claim: found "b", allowed: name=value (see "stentor token --help")`},
	} {
		if got := cli(t, strings.Fields(one.args)...); got != (result{exitUsage, "", one.want + "\n"}) {
			t.Errorf("%s: %+v\nwant %s", one.args, got, one.want)
		}
	}
}

// TestTaken checks that a node that finds another one at its address says which key to change.
func TestTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for key, other := range map[string]string{"listen.api": "listen.client", "listen.client": "listen.api"} {
		got := cli(t, "serve", "--dev", "--set", key+"="+l.Addr().String(), "--set", other+"=127.0.0.1:0")
		if got.code != exitFailure || !strings.HasPrefix(got.err, "stentor serve: "+key+": listen") || !strings.HasSuffix(got.err, "or set "+key+" to another address\n") {
			t.Errorf("%s: %+v", key, got)
		}
	}
}

// TestHelp checks that every command teaches: a long text with an example of itself, and an explained --json where
// there is one.
func TestHelp(t *testing.T) {
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		path := cmd.CommandPath()
		switch {
		case cmd.Name() == "help" || cmd.Name() == "completion" || cmd.Parent() != nil && cmd.Parent().Name() == "completion" || cmd.Hidden:
			return
		case cmd.Short == "" || len(cmd.Long) < 100:
			t.Errorf("%s has no help", path)
		case !cmd.HasSubCommands() && !strings.Contains(cmd.Long, "\n  "+path) && !strings.Contains(cmd.Long, " "+path+" "):
			t.Errorf("%s has no example", path)
		}
		for _, line := range strings.Split(cmd.Long, "\n") {
			if len(line) > 118 {
				t.Errorf("%s: a line of %d characters: %s", path, len(line), line)
			}
		}
		got := cli(t, append(strings.Fields(path)[1:], "--help")...)
		if got.code != exitOK || got.err != "" || !strings.HasPrefix(got.out, strings.TrimSpace(cmd.Long)) {
			t.Errorf("%s --help: %+v", path, got)
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(newRootCmd())

	if got := cli(t); got.code != exitOK || !strings.Contains(got.out, "Commands for the server:") {
		t.Errorf("%+v", got)
	}
}

// readFile returns the content of a file.
func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
