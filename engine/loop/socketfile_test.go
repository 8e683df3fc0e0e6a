package loop

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestParseListener(t *testing.T) {
	for text, want := range map[string]Listener{
		"unix:/run/s.sock":                 {Path: "/run/s.sock", Mode: 0o660},
		"unix:/s mode=0600 group=www-data": {Path: "/s", Mode: 0o600, Group: "www-data"},
		"unix:/s proxy_protocol  mode=777": {Path: "/s", Mode: 0o777, ProxyProtocol: true},
		"127.0.0.1:1 proxy_protocol":       {Address: netip.MustParseAddrPort("127.0.0.1:1"), ProxyProtocol: true},
		"localhost:1":                      {Address: netip.MustParseAddrPort("127.0.0.1:1")},
	} {
		if got, err := ParseListener(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", " ", "unix:", "unix:s.sock", "unix:/run/", "unix:@abstract", "127.0.0.1:1 mode=0600", "127.0.0.1:1 proxy", "unix:/s mode=8", "unix:/s mode=1777",
		"unix:/s mode=", "unix:/s group=", "unix:/s group", "127.0.0.1:1 proxy_protocol=on", "127.0.0.1:1 tls tls", "unix:/s mode=0600 mode=0660",
	} {
		if got, err := ParseListener(text); err == nil {
			t.Errorf("%q is taken: %+v", text, got)
		}
	}
}

// TestSocketFile: a place is taken only when nobody listens there, and given up only by who has it.
func TestSocketFile(t *testing.T) {
	dir := t.TempDir()
	place := func(name string) string { return filepath.Join(dir, name) }
	listener := func(path string) Listener { return Listener{Path: path, Mode: 0o600} }

	if err := os.WriteFile(place("file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	live, err := net.Listen("unix", place("live"))
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	for path, want := range map[string]string{
		place("file"):                     "not a socket",
		place("live"):                     "address already in use",
		place("nowhere/s"):                "no such file",
		place(strings.Repeat("long", 30)): "too long",
	} {
		if _, err := newSocketFile(listener(path)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}

	stale, err := net.Listen("unix", place("s"))
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = stale.Close()
	f, err := newSocketFile(listener(place("s")))
	if err != nil {
		t.Fatal(err)
	}
	ours, err := net.Listen("unix", f.bound())
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	if err := f.place(); err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialTimeout("unix", place("s"), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	// Another one came to the place.
	if err := os.Remove(place("s")); err != nil {
		t.Fatal(err)
	}
	other, err := net.Listen("unix", place("s"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	f.remove()
	if _, err := os.Lstat(place("s")); err != nil {
		t.Errorf("the file of another one was removed: %v", err)
	}

	// Another one was faster.
	if f, err = newSocketFile(listener(place("late"))); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{f.bound(), place("late")} {
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
	if err := f.place(); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("a place that was taken meanwhile: %v", err)
	}
	f.remove()

	if f, err = newSocketFile(Listener{Path: place("g"), Group: "there-is-no-such-group"}); err != nil {
		t.Fatal(err)
	}
	lost, err := net.Listen("unix", f.bound())
	if err != nil {
		t.Fatal(err)
	}
	defer lost.Close()
	if err := f.place(); err == nil || !strings.Contains(err.Error(), "there-is-no-such-group") {
		t.Errorf("group: %v", err)
	}
	f.remove()
	all, err := os.ReadDir(dir)
	if names := len(all); err != nil || names != 4 {
		t.Errorf("left are %v, %v", all, err)
	}
}
