package vm

import (
	"archive/tar"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// statusFile is what init.sh brings out last.
const statusFile = "status"

// unpackResults unpacks the archives that the machine has written one after the other into dir, and returns the job's
// status. Of a file that came twice, the last version stays. Of an archive that was cut short when the machine ended, the
// files before the cut are unpacked.
func unpackResults(port, dir string) (status int, err error) {
	f, err := os.Open(port)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	found := false
	for {
		if err := skipZeros(r); err != nil {
			break
		}
		archive := tar.NewReader(r)
		for {
			h, err := archive.Next()
			if err != nil {
				break
			}
			name := strings.TrimPrefix(filepath.Clean("/"+h.Name), "/")
			if h.Typeflag != tar.TypeReg {
				continue
			}
			if name == statusFile {
				b, err := io.ReadAll(io.LimitReader(archive, 16))
				if err != nil {
					break
				}
				if status, err = strconv.Atoi(string(bytes.TrimSpace(b))); err != nil {
					return 0, fmt.Errorf("the job's status: %w", err)
				}
				found = true
				continue
			}
			if err := save(filepath.Join(dir, name), archive); err != nil {
				if errors.Is(err, io.ErrUnexpectedEOF) {
					break
				}
				return 0, err
			}
		}
	}
	if !found {
		return 0, errors.New("the job did not end")
	}
	return status, nil
}

func save(name string, r io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

// skipZeros skips to the first block that is not the end of an archive.
func skipZeros(r *bufio.Reader) error {
	const block = 512
	var zeros [block]byte
	for {
		b, err := r.Peek(block)
		if err != nil || !bytes.Equal(b, zeros[:]) {
			return err
		}
		if _, err := r.Discard(block); err != nil {
			return err
		}
	}
}
