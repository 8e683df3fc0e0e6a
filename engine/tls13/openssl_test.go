package tls13

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"stentor/engine/testkit"
)

// listen is a server on loopback that sends back what it gets, after a take-over. Its first error comes out of the channel,
// nil for close_notify.
func listen(t *testing.T) (address string, ended <-chan error, records func() *Records) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	end := make(chan error, 1)
	var r *Records
	go func() {
		end <- func() error {
			c, err := ln.Accept()
			if err != nil {
				return err
			}
			defer func() { _ = c.Close() }()
			_ = c.SetDeadline(time.Now().Add(time.Minute))
			if r, _, err = takeOver(c, serverConf()); err != nil {
				return err
			}
			s := &taken{Conn: c, layer: NewLayer(CipherBytes), Records: r}
			_, err = io.Copy(struct{ io.Writer }{s}, struct{ io.Reader }{s})
			if err == ErrCloseNotify {
				s.alert(CloseNotify)
				err = nil
			}
			return err
		}()
	}()
	return ln.Addr().String(), end, func() *Records { return r }
}

// TestOpenSSL has OpenSSL's own client as the peer, which also changes keys: its command K sends a KeyUpdate that asks for
// one, k one that does not.
func TestOpenSSL(t *testing.T) {
	if exec.Command("openssl", "s_client", "-help").Run() != nil {
		testkit.Missing(t, "needs openssl, which tuning/deps.sh installs")
	}
	for _, suite := range []string{"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"} {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			address, ended, records := listen(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, "openssl", "s_client", "-connect", address, "-ciphersuites", suite, "-tls1_3")
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			cmd.Stderr = cmd.Stdout // where it tells of commands
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewReader(out)
			until := func(want string) {
				t.Helper()
				for {
					line, err := lines.ReadString('\n')
					if strings.Contains(line, want) {
						return
					}
					if err != nil {
						t.Fatalf("%q does not come: %v", want, err)
					}
				}
			}
			for i, command := range []string{"", "K\n", "K\n", "k\n", "K\n"} {
				// A command must be all that the client reads from its input at once.
				if command != "" {
					_, _ = io.WriteString(in, command)
					until("KEYUPDATE")
				}
				text := fmt.Sprintf("message %d", i)
				_, _ = io.WriteString(in, text+"\n")
				until(text)
			}
			_, _ = io.WriteString(in, "Q\n")
			_, _ = io.Copy(io.Discard, lines)
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
			if err := <-ended; err != nil {
				t.Error(err)
			}
			// The last key of both was used for one message and close_notify.
			if r := records(); r.out.number != 2 || r.in.number != 2 {
				t.Errorf("the next numbers are %d and %d", r.out.number, r.in.number)
			}
		})
	}
}
