package statefile

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func openDir(t *testing.T) *Dir {
	t.Helper()
	d, err := OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func writes(b []byte, saved bool, err error) func(io.Writer) (bool, error) {
	return func(to io.Writer) (bool, error) {
		_, _ = to.Write(b)
		return saved, err
	}
}

func names(t *testing.T, d *Dir) string {
	t.Helper()
	list, err := os.ReadDir(d.path)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, entry := range list {
		all = append(all, entry.Name())
	}
	return strings.Join(all, " ")
}

// A file is replaced whole, or not at all.
func TestSaveReplacesWhole(t *testing.T) {
	d := openDir(t)
	if s, err := d.Load("shop", 1<<20); s != nil || err != nil {
		t.Fatal(s, err)
	}
	if saved, err := d.Save("shop", writes(sample(), true, nil)); !saved || err != nil {
		t.Fatal(saved, err)
	}
	trouble := errors.New("no room")
	for _, c := range []struct {
		saved bool
		err   error
	}{{false, nil}, {true, trouble}, {false, trouble}} {
		if saved, err := d.Save("shop", writes([]byte("half"), c.saved, c.err)); saved || !errors.Is(err, c.err) {
			t.Errorf("%+v: %t, %v", c, saved, err)
		}
		if got := names(t, d); got != "shop.floors" {
			t.Errorf("%+v: there is %s", c, got)
		}
		if s, err := d.Load("shop", 1<<20); s == nil || err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if info, err := os.Stat(d.File("shop")); err != nil || info.Mode() != 0o600 {
		t.Error(info.Mode(), err)
	}
	if _, err := d.Load("shop", int64(len(sample())-1)); err == nil {
		t.Error("a file that is too long was read")
	}
}

// What a process left half written when it was killed is written again.
func TestLeftHalfWritten(t *testing.T) {
	d := openDir(t)
	if err := os.WriteFile(d.File("shop")+temporary, bytes.Repeat([]byte("x"), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	if saved, err := d.Save("shop", writes(sample(), true, nil)); !saved || err != nil {
		t.Fatal(saved, err)
	}
	if s, err := d.Load("shop", 1<<20); s == nil || err != nil {
		t.Error(err)
	}
}

// What stands where a file is to be written is not written to, and keeps nobody waiting.
func TestPutInTheWay(t *testing.T) {
	for what, put := range map[string]func(name, victim string) error{
		"a link":        func(name, victim string) error { return os.Symlink(victim, name) },
		"a second name": func(name, victim string) error { return os.Link(victim, name) },
		"a FIFO":        func(name, _ string) error { return syscall.Mkfifo(name, 0o600) }, // a save hangs that opens it
	} {
		d := openDir(t)
		victim := filepath.Join(t.TempDir(), "victim")
		if err := os.WriteFile(victim, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := put(d.File("shop")+temporary, victim); err != nil {
			t.Fatal(err)
		}
		if saved, err := d.Save("shop", writes([]byte("new"), true, nil)); !saved || err != nil {
			t.Errorf("%s: saved %v, %v", what, saved, err)
		}
		if b, _ := os.ReadFile(victim); string(b) != "mine" {
			t.Errorf("%s: a file elsewhere has %q", what, b)
		}
		if b, _ := os.ReadFile(d.File("shop")); string(b) != "new" {
			t.Errorf("%s: the project's file has %q", what, b)
		}
	}
}

// A name cannot leave the directory, and no two have one file.
func TestNamesOfFiles(t *testing.T) {
	d := openDir(t)
	seen := map[string]string{}
	for _, project := range []string{"shop", "Shop", "a.b", "..", ".", "../x", "/etc/passwd", "a/b", "a%2Fb", "a b", "ü", "x\x00y", ""} {
		file := d.File(project)
		if other, twice := seen[file]; twice || filepath.Dir(file) != d.path {
			t.Errorf("%q has the file %s, %q", project, file, other)
		}
		seen[file] = project
		if saved, err := d.Save(project, writes(sample(), true, nil)); !saved || err != nil {
			t.Errorf("%q: %v", project, err)
		}
	}
	for _, name := range []string{"shop", "shop.txt", "%zz.floors", "a%2fb.floors"} {
		if err := os.WriteFile(filepath.Join(d.path, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Prune(func(project string) bool { return project == "shop" || project == "a/b" }); err != nil {
		t.Error(err)
	}
	if got := names(t, d); got != "%zz.floors a%2Fb.floors a%2fb.floors shop shop.floors shop.txt" {
		t.Errorf("there is %s", got)
	}
}

// A directory is one process's, and what is no file of ours is not waited for.
func TestOneProcess(t *testing.T) {
	d := openDir(t)
	if _, err := OpenDir(d.path); err == nil {
		t.Error("two have it")
	}
	if err := syscall.Mkfifo(d.File("shop"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Load("shop", 1<<20); !errors.Is(err, ErrForeign) {
		t.Error(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := OpenDir(d.path)
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Close()
}
