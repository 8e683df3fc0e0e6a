package baseline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const childEnv = "STENTOR_BENCH_BASELINE_CHILD"

// TestMain turns the test binary into the baseline process when it is started as one.
func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		if err := Serve(os.Stdin, os.Stdout, 2); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func start(t *testing.T) *Process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=1")
	p, err := Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func dial(t *testing.T, p *Process, n int) []net.Conn {
	t.Helper()
	conns := make([]net.Conn, n)
	err := p.Accept(n, func() (err error) {
		for i := range conns {
			if conns[i], err = net.Dial("tcp4", p.Address.String()); err != nil {
				return err
			}
			t.Cleanup(func() { conns[i].Close() })
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return conns
}

func TestProcess(t *testing.T) {
	p := start(t)
	conns := append(dial(t, p, 5), dial(t, p, 2)...)
	frames := []byte("frame 1.frame 2.frame 3.")
	for _, call := range []Call{Wrapped, Raw} {
		b, err := p.Write(frames, 8, call)
		if err != nil {
			t.Fatal(err)
		}
		if b.Writes != 3*len(conns) || b.CPU <= 0 || b.Wall <= 0 || b.Stalls != 0 {
			t.Errorf("call %d: %+v", call, b)
		}
		for i, c := range conns {
			got := make([]byte, len(frames))
			if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, frames) {
				t.Errorf("connection %d got %q, %v", i, got, err)
			}
		}
	}
}

// A frame larger than the socket's buffers needs several writes, and all of it must arrive.
func TestProcessStalls(t *testing.T) {
	p := start(t)
	conn := dial(t, p, 1)[0]
	frame := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	got := make(chan []byte, 1)
	go func() {
		b := make([]byte, len(frame))
		io.ReadFull(conn, b)
		got <- b
	}()
	b, err := p.Write(frame, len(frame), Raw)
	if err != nil {
		t.Fatal(err)
	}
	if b.Writes != 1 || b.Stalls != 1 {
		t.Errorf("%+v", b)
	}
	if !bytes.Equal(<-got, frame) {
		t.Error("the frame did not arrive as it was sent")
	}
}

func TestProcessReportsDeadConnection(t *testing.T) {
	p := start(t)
	conn := dial(t, p, 1)[0]
	if err := conn.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	// On a busy machine the reset may come a few writes later.
	for end := time.Now().Add(10 * time.Second); ; {
		if _, err := p.Write([]byte("x"), 1, Wrapped); err != nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal("no error for a connection that was reset")
		}
	}
}

func TestServeRefusesNonsense(t *testing.T) {
	for _, in := range []string{"what?\n", `{"frames":1,"size":1000000000}` + "\n", `{"frames":-1,"size":-1}` + "\n", `{"frames":1,"size":9}` + "\nshort"} {
		var out bytes.Buffer
		if err := Serve(strings.NewReader(in), &out, 1); err == nil {
			t.Errorf("input %q is obeyed: %s", in, out.Bytes())
		}
	}
	var out bytes.Buffer
	if err := Serve(strings.NewReader(""), &out, 1); err != nil {
		t.Errorf("the end of input is an error: %v", err)
	}
	var g greeting
	if err := json.Unmarshal(out.Bytes(), &g); err != nil || !strings.HasPrefix(g.Address, "127.0.0.1:") {
		t.Errorf("greeting %q", out.Bytes())
	}
}
