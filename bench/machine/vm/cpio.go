package vm

import (
	"fmt"
	"io"
	"os"
	"path"
)

// archive writes a file system for the kernel to unpack at its start: cpio in the form "newc"
// (Documentation/driver-api/early-userspace/buffer-format.rst of Linux). Its methods remember the first error.
type archive struct {
	w    io.Writer
	n    int64
	ino  int
	made map[string]bool
	err  error
}

const (
	typeDir  = 0o040000
	typeFile = 0o100000
	typeLink = 0o120000
)

func newArchive(w io.Writer) *archive {
	return &archive{w: w, made: map[string]bool{"/": true, ".": true}}
}

// dir makes a folder and those above it.
func (a *archive) dir(name string) {
	if a.made[name] {
		return
	}
	a.dir(path.Dir(name))
	a.made[name] = true
	a.header(name, typeDir|0o755, 0)
}

func (a *archive) data(name string, mode uint32, data []byte) {
	a.dir(path.Dir(name))
	a.header(name, typeFile|mode, int64(len(data)))
	a.write(data)
	a.pad()
}

func (a *archive) link(name, target string) {
	a.dir(path.Dir(name))
	a.header(name, typeLink|0o777, int64(len(target)))
	a.write([]byte(target))
	a.pad()
}

// file copies a file of the host with its permissions. Links are followed.
func (a *archive) file(name, host string) {
	if a.err != nil {
		return
	}
	f, err := os.Open(host)
	if err != nil {
		a.err = err
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		a.err = err
		return
	}
	if !info.Mode().IsRegular() {
		a.err = fmt.Errorf("%s: not a file", host)
		return
	}
	a.dir(path.Dir(name))
	a.header(name, typeFile|uint32(info.Mode().Perm()), info.Size())
	if a.err == nil {
		_, a.err = io.CopyN(a.w, f, info.Size())
		a.n += info.Size()
	}
	a.pad()
}

// close ends the archive.
func (a *archive) close() error {
	a.header("/TRAILER!!!", 0, 0)
	return a.err
}

func (a *archive) header(name string, mode uint32, size int64) {
	name = name[1:] // without the first slash
	a.ino++
	const links, zero = 1, 0
	a.write(fmt.Appendf(nil, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		a.ino, mode, zero, zero, links, zero, size, zero, zero, zero, zero, len(name)+1, zero, name))
	a.pad()
}

func (a *archive) write(b []byte) {
	if a.err == nil {
		_, a.err = a.w.Write(b)
		a.n += int64(len(b))
	}
}

// pad goes to the next multiple of four bytes.
func (a *archive) pad() { a.write(make([]byte, (4-a.n%4)%4)) }
