package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"stentor/engine/testkit/certificate"
	"stentor/engine/websocket"
)

// asCommand has the test's binary be the command.
const asCommand = "WSECHO_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func wsecho(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	return cmd
}

// TestServe runs the command, has a message echoed, and ends it with SIGTERM.
func TestServe(t *testing.T) {
	serves(t, "ws://", nil)
}

// TestServeTLS does the same over TLS, with both kinds of records.
func TestServeTLS(t *testing.T) {
	pair, err := certificate.New()
	if err != nil {
		t.Fatal(err)
	}
	file, err := pair.Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, records := range []string{"auto", "go"} {
		serves(t, "wss://", pair.Trusting(), "--tls-cert", file, "--tls-key", file+".key", "--tls-records", records)
	}
}

func serves(t *testing.T, scheme string, trust *tls.Config, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := wsecho(ctx, append([]string{"--listen", "127.0.0.1:0", "--max-message", "100"}, args...)...)
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "echoing on "+scheme)
	if err != nil || !ok {
		t.Fatalf("%q, %v, %s", line, err, &errors)
	}

	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if trust != nil {
		c = tls.Client(c, trust)
	}
	mask := [4]byte{1, 2, 3, 4}
	request := websocket.AppendRequest(nil, address, "/any/path", websocket.NewKey())
	if _, err := c.Write(websocket.AppendMasked(request, ws.OpText, mask, []byte("hello"))); err != nil {
		t.Fatal(err)
	}
	const echo = "\r\n\r\n\x81\x05hello"
	var got []byte
	for !strings.HasSuffix(string(got), echo) {
		var b [1024]byte
		n, err := c.Read(b[:])
		if got = append(got, b[:n]...); err != nil {
			t.Fatalf("%q, %v", got, err)
		}
	}

	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(c); err != nil || string(rest) != "\x88\x02\x03\xE9" {
		t.Errorf("after SIGTERM: %q, %v", rest, err)
	}
	_ = c.Close()
	if err := cmd.Wait(); err != nil || errors.Len() > 0 {
		t.Errorf("%v: %s", err, &errors)
	}
}

func TestMistakes(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--max-message", "0"}, "--max-message 0: expected 1 to"},
		{[]string{"--listen", "somewhere:9001"}, "must be an IP address"},
		{[]string{"--listen", taken.Addr().String()}, "address already in use"},
		{[]string{"--tls-cert", "echo.pem"}, "--tls-cert and --tls-key: expected both"},
		{[]string{"--tls-cert", "none.pem", "--tls-key", "none.key"}, "none.pem"},
		{[]string{"--tls-records", "ours"}, "expected auto or go"},
		{[]string{"--port", "1"}, "unknown flag"},
		{[]string{"now"}, "unknown command"},
	} {
		out, err := wsecho(t.Context(), c.args...).CombinedOutput()
		if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 1 || !strings.Contains(string(out), c.want) {
			t.Errorf("%v: %v, %s", c.args, err, out)
		}
	}
	out, err := wsecho(t.Context(), "--help").Output()
	if err != nil || !strings.Contains(string(out), fmt.Sprint(16<<20)) {
		t.Errorf("%s, %v", out, err)
	}
}
