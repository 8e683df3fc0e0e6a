package vm

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// archived is what the command out sends, with the zeros that tar adds.
func archived(t *testing.T, zeros int, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		if err := w.WriteHeader(&tar.Header{Name: files[i], Size: int64(len(files[i+1])), Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return append(b.Bytes(), make([]byte, zeros)...)
}

func TestUnpackResults(t *testing.T) {
	first := archived(t, 0, "a", "old", "d/b", "bee", "../../e", "outside")
	second := archived(t, 8192, "a", "new")
	end := archived(t, 512, "status", "3\n")
	cut := archived(t, 0, "c", string(make([]byte, 5000)))[:2000]
	for _, c := range []struct {
		name   string
		port   []byte
		status int
		ended  bool
		a      string
	}{
		{"whole", bytes.Join([][]byte{first, second, end}, nil), 3, true, "new"},
		{"without an end", bytes.Join([][]byte{first, second}, nil), 0, false, "new"},
		{"cut short", bytes.Join([][]byte{first, cut}, nil), 0, false, "old"},
		{"empty", nil, 0, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			port, out := filepath.Join(dir, "port"), filepath.Join(dir, "x", "y", "out")
			if err := os.WriteFile(port, c.port, 0o600); err != nil {
				t.Fatal(err)
			}
			status, err := unpackResults(port, out)
			if status != c.status || (err == nil) != c.ended {
				t.Errorf("status %d, %v", status, err)
			}
			if b, _ := os.ReadFile(filepath.Join(out, "a")); string(b) != c.a {
				t.Errorf("a is %q, want %q", b, c.a)
			}
			if c.a == "" {
				return
			}
			for _, name := range []string{"d/b", "e"} {
				if _, err := os.Stat(filepath.Join(out, name)); err != nil {
					t.Error(err)
				}
			}
			if _, err := os.Stat(filepath.Join(dir, "x", "e")); err == nil {
				t.Error("a file came out of its folder")
			}
		})
	}
}
