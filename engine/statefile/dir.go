package statefile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Dir is a directory with a file for each project. It belongs to one process: a second one is refused while the first runs.
type Dir struct {
	path string
	open *os.File // locked, and synced after a file has been renamed
}

// Check returns what keeps a directory from being used, nil if nothing does.
func Check(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return errors.New("it is no directory")
	}
	const readWriteSearch = 7
	if err := syscall.Access(path, readWriteSearch); err != nil {
		return fmt.Errorf("its files cannot be read and written: %w", err)
	}
	return nil
}

// OpenDir opens a directory and locks it.
func OpenDir(path string) (*Dir, error) {
	if err := Check(path); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.New("another process uses it")
		}
		return nil, fmt.Errorf("it cannot be locked: %w", err)
	}
	return &Dir{path: path, open: f}, nil
}

// Close releases the directory.
func (d *Dir) Close() error { return d.open.Close() }

const (
	ending    = ".floors"
	temporary = ".tmp" // behind the name of a file that is being written
)

// File is the name of a project's file.
func (d *Dir) File(project string) string {
	return filepath.Join(d.path, url.PathEscape(project)+ending)
}

// Load reads a project's file of at most so many bytes. Without a file it returns nil.
func (d *Dir) Load(project string, most int64) (*State, error) {
	f, err := os.OpenFile(d.File(project), os.O_RDONLY|syscall.O_NONBLOCK, 0) // else a FIFO waits for its writer
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, ErrForeign
	case info.Size() > most:
		return nil, fmt.Errorf("it has %d bytes, more than the %d that a history may take", info.Size(), most)
	}
	b := make([]byte, info.Size())
	if _, err := io.ReadFull(f, b); err != nil {
		return nil, err
	}
	return Decode(b)
}

// Save replaces a project's file with what write writes. When write reports false, or an error, the old file stays.
func (d *Dir) Save(project string, write func(io.Writer) (bool, error)) (saved bool, err error) {
	name := d.File(project)
	// What an interrupted save has left, or somebody has put there: a link would lead elsewhere, a FIFO waits for its
	// reader.
	if err := os.Remove(name + temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	f, err := os.OpenFile(name+temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return false, err
	}
	saved, err = write(f)
	if saved && err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if saved && err == nil {
		err = os.Rename(name+temporary, name)
	}
	if !saved || err != nil {
		_ = os.Remove(name + temporary)
		return false, err
	}
	return true, d.open.Sync()
}

// Prune deletes the files of projects that are not served.
func (d *Dir) Prune(served func(project string) bool) error {
	list, err := os.ReadDir(d.path)
	if err != nil {
		return err
	}
	var all []error
	for _, entry := range list {
		name, ours := strings.CutSuffix(strings.TrimSuffix(entry.Name(), temporary), ending)
		project, err := url.PathUnescape(name)
		if !ours || err != nil || url.PathEscape(project) != name || served(project) {
			continue
		}
		all = append(all, os.Remove(filepath.Join(d.path, entry.Name())))
	}
	return errors.Join(all...)
}
