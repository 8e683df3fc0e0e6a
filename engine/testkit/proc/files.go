package proc

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// NeedFiles checks that this process may open so many files. fewer names the flags that make it need fewer.
func NeedFiles(need int, fewer string) error {
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return err
	}
	if files.Cur < uint64(need) {
		return fmt.Errorf("a process may open %d files and needs %d: raise it with ulimit -n %d, or use fewer %s", files.Cur, need, need, fewer)
	}
	return nil
}
