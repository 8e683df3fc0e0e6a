package loop

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// socketFile is the file of a Unix socket. It is bound in a folder of its own that nobody else may enter, and is moved to
// its place, with its mode and group, when the node is ready for clients. A file left behind by a dead process is replaced
// then, in one step, so that a client finds either no listener or a ready one.
type socketFile struct {
	Listener
	folder string      // where it is bound; "" once it is in its place
	placed fs.FileInfo // of the file in its place
}

// socketName is what the file is called until it is in its place.
const socketName = "s"

// newSocketFile checks that path is free or left behind, and makes the folder.
func newSocketFile(l Listener) (*socketFile, error) {
	f := &socketFile{Listener: l}
	if err := f.free(); err != nil {
		return nil, err
	}
	var err error
	if f.folder, err = os.MkdirTemp(filepath.Dir(l.Path), ".stentor-"); err != nil {
		return nil, fmt.Errorf("listen on %v: %w", l, err)
	}
	for _, path := range []string{l.Path, f.bound()} {
		if most := len(unix.RawSockaddrUnix{}.Path) - 1; len(path) > most {
			f.remove()
			return nil, fmt.Errorf("listen on %v: the path is too long, the system allows %d bytes (and %s is needed temporarily)", l, most, f.bound())
		}
	}
	return f, nil
}

// bound is the path at which the socket is bound.
func (f *socketFile) bound() string { return filepath.Join(f.folder, socketName) }

// errTaken is the error for an address in use, of either kind.
var errTaken = unix.EADDRINUSE

// free returns why the place cannot be used, nil when it can.
func (f *socketFile) free() error {
	info, err := os.Lstat(f.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("listen on %v: %w", f.Listener, err)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("listen on %v: there is a file that is not a socket; it is not removed", f.Listener)
	}
	conn, err := net.DialTimeout("unix", f.Path, time.Second)
	if err == nil {
		_ = conn.Close()
		err = errTaken
	}
	if errors.Is(err, unix.ECONNREFUSED) {
		return nil // nobody listens any more
	}
	return fmt.Errorf("listen on %v: %w", f.Listener, err)
}

// place moves the file to where clients look for it.
func (f *socketFile) place() error {
	err := os.Chmod(f.bound(), f.Mode)
	if err == nil && f.Group != "" {
		err = chgrp(f.bound(), f.Group)
	}
	if err == nil {
		f.placed, err = os.Lstat(f.bound())
	}
	if err == nil {
		if err = f.free(); err != nil {
			return err
		}
		err = os.Rename(f.bound(), f.Path)
	}
	if err != nil {
		return fmt.Errorf("listen on %v: %w", f.Listener, err)
	}
	err = os.Remove(f.folder)
	f.folder = ""
	return err
}

func chgrp(path, group string) error {
	id, err := strconv.Atoi(group)
	if err != nil {
		g, err := user.LookupGroup(group)
		if err != nil {
			return err
		}
		if id, err = strconv.Atoi(g.Gid); err != nil {
			return err
		}
	}
	return os.Lchown(path, -1, id)
}

// remove deletes the file, unless another one has taken its place.
func (f *socketFile) remove() {
	if f.folder != "" {
		_ = os.Remove(f.bound())
		_ = os.Remove(f.folder)
		return
	}
	if now, err := os.Lstat(f.Path); err == nil && os.SameFile(now, f.placed) {
		_ = os.Remove(f.Path)
	}
}
