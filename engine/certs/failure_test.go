package certs

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
)

// TestFailureOf: how the connection below a handshake ends. Of crypto/tls's own errors the tests of both ports know.
func TestFailureOf(t *testing.T) {
	for _, c := range []struct {
		err  error
		want Failure
	}{
		{io.EOF, Closed},
		{io.ErrUnexpectedEOF, Closed},
		{&net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, Closed},
		{&net.OpError{Op: "write", Err: os.NewSyscallError("write", syscall.EPIPE)}, Closed},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, Timeout},
		{&net.OpError{Op: "read", Err: net.ErrClosed}, Ended},
		{&net.OpError{Op: "remote error", Err: errors.New("tls: unknown certificate authority")}, ClientAlert},
		{fmt.Errorf("tls: client offered only unsupported versions: %x", []uint16{0x301}), Version},
		{errors.New("tls: no cipher suite supported by both client and server"), Suite},
		{errors.New("tls: client didn't provide a certificate"), ClientCertificate},
		{errors.New("anything else"), Protocol},
	} {
		if got := FailureOf(c.err); got != c.want {
			t.Errorf("%v is %s, want %s", c.err, got, c.want)
		}
	}
	for f := range failures {
		if f.String() == "" || f.Text() == "" {
			t.Errorf("failure %d has no name or no text", f)
		}
	}
}
