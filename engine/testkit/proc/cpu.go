package proc

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// CPU returns the user and system time that process pid has used, of all its threads, ended ones included, to the
// nanosecond: utime + stime of /proc/PID/stat without the rounding to clock ticks.
func CPU(pid int) (time.Duration, error) {
	// The clock of another process, as clock_getcpuclockid(3) makes it: ~pid, then CPUCLOCK_SCHED.
	clock := int32(^uint32(pid)<<3 | 2)
	var t unix.Timespec
	if err := unix.ClockGettime(clock, &t); err != nil {
		return 0, fmt.Errorf("CPU time of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// UserCPU returns the part of CPU that was spent in user mode, to the clock tick of 10 ms.
func UserCPU(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	return userTime(b)
}

// userTime reads field 14 of /proc/PID/stat. Field 2 is the name in parentheses, and may contain any character.
func userTime(stat []byte) (time.Duration, error) {
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every architecture that Go runs on
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 12 {
		return 0, fmt.Errorf("/proc/PID/stat is too short: %q", stat)
	}
	n, err := strconv.ParseInt(string(fields[11]), 10, 64)
	return time.Duration(n) * tick, err
}

// OwnCPU returns the user and system time of this process by getrusage(2).
func OwnCPU() time.Duration {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		panic(err) // only for a bad argument
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
