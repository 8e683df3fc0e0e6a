package proc

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// RSS returns the resident bytes of process pid, counted page by page (smaps_rollup): the counter behind VmRSS may
// be off by some hundred KiB, which is a lot when divided by a few thousand connections.
func RSS(pid int) (int64, error) { return rollup(pid, "Rss:") }

// Data returns the resident bytes of process pid that hold no file, and of those that it shares with others only its share.
// Its share of its program's file would depend on who else runs that.
func Data(pid int) (int64, error) { return rollup(pid, "Pss_Anon:", "Pss_Shmem:") }

func rollup(pid int, keys ...string) (sum int64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	for _, key := range keys {
		n, err := kilobytes(b, key)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// kilobytes finds the line that begins with key and reads the "N kB" that follows.
func kilobytes(b []byte, key string) (int64, error) {
	for line := range bytes.Lines(b) {
		f := bytes.Fields(line)
		if len(f) == 3 && string(f[0]) == key && string(f[2]) == "kB" {
			n, err := strconv.ParseInt(string(f[1]), 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("no line %q", key)
}

// Available returns the bytes that programs on this machine can still get (MemAvailable).
func Available() (int64, error) {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	return kilobytes(b, "MemAvailable:")
}

// OwnRSS returns the resident bytes of this process by the kernel's running count, which is cheap at any size.
func OwnRSS() (int64, error) {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	f := bytes.Fields(b)
	if len(f) < 2 {
		return 0, fmt.Errorf("/proc/self/statm is too short: %q", b)
	}
	pages, err := strconv.ParseInt(string(f[1]), 10, 64)
	return pages * int64(os.Getpagesize()), err
}
