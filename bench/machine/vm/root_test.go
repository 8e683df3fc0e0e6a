package vm

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestArchive(t *testing.T) {
	host := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(host, []byte("hello"), 0o640); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	a := newArchive(&b)
	a.data("/x/y/data", 0o755, []byte("abc"))
	a.link("/x/link", "y")
	a.file("/x/file", host)
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	const zeros = "0000000000000000000000000000000000000000"
	entry := func(ino, mode, links, size, nameSize, name, data string) string {
		s := "070701" + ino + mode + zeros[:16] + links + zeros[:8] + size + zeros[:32] + nameSize + zeros[:8] + name + "\x00"
		for len(s)%4 != 0 {
			s += "\x00"
		}
		for s += data; len(s)%4 != 0; {
			s += "\x00"
		}
		return s
	}
	want := entry("00000001", "000041ed", "00000001", "00000000", "00000002", "x", "") +
		entry("00000002", "000041ed", "00000001", "00000000", "00000004", "x/y", "") +
		entry("00000003", "000081ed", "00000001", "00000003", "00000009", "x/y/data", "abc") +
		entry("00000004", "0000a1ff", "00000001", "00000001", "00000007", "x/link", "y") +
		entry("00000005", "000081a0", "00000001", "00000005", "00000007", "x/file", "hello") +
		entry("00000006", "00000000", "00000001", "00000000", "0000000b", "TRAILER!!!", "")
	if b.String() != want {
		t.Errorf("got  %q\nwant %q", b.String(), want)
	}
	missing := newArchive(&b)
	missing.file("/f", host+"x")
	if missing.close() == nil {
		t.Error("no error for a file that is not there")
	}
}

func TestParseLdd(t *testing.T) {
	got, err := parseLdd("\tlinux-vdso.so.1 (0x00007ffd)\n\tlibm.so.6 => /lib/libm.so.6 (0x00007f)\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n")
	if want := []string{"/lib/libm.so.6", "/lib64/ld-linux-x86-64.so.2"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := parseLdd("\tlibx.so => not found\n"); err == nil {
		t.Error("no error for a library that is missing")
	}
}

func TestEnvironment(t *testing.T) {
	want := map[string]string{"B": "it's a $(test)", "A": "line\nline"}
	script := string(environment(want)) + `printf '%s|%s' "$A" "$B"`
	b, err := exec.Command("sh", "-c", script).Output()
	if err != nil || string(b) != "line\nline|it's a $(test)" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestCanVirtualise(t *testing.T) {
	for text, want := range map[string]bool{
		"processor\t: 0\nflags\t\t: fpu vme svm sse\n": true,
		"flags\t\t: fpu vmx\n":                         true,
		"flags\t\t: fpu svm_lock\nflags : vmx\n":       false,
		"":                                             false,
	} {
		if canVirtualise(text) != want {
			t.Errorf("%q: not %t", text, want)
		}
	}
}

func TestConsole(t *testing.T) {
	var log, show strings.Builder
	c := newConsole(&log, &show)
	for _, piece := range []string{"\x1bc\x1b[?7lone\r\ntw", "o\n\r\n", "three"} {
		if n, err := c.Write([]byte(piece)); n != len(piece) || err != nil {
			t.Fatal(n, err)
		}
	}
	c.close()
	if c.tail() != "one\ntwo\nthree" {
		t.Errorf("%q", c.tail())
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 3 || !strings.HasSuffix(lines[1], "s] two") || log.String() != show.String() {
		t.Errorf("%q", lines)
	}
}
