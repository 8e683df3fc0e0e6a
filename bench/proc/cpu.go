package proc

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// CPU returns the user and system time that process pid has used, all its threads together, those that ended
// included, to the nanosecond: utime + stime of /proc/PID/stat without their rounding to clock ticks.
func CPU(pid int) (time.Duration, error) {
	// The clock of another process, as clock_getcpuclockid(3) makes it: ~pid, then CPUCLOCK_SCHED.
	clock := int32(^uint32(pid)<<3 | 2)
	var t unix.Timespec
	if err := unix.ClockGettime(clock, &t); err != nil {
		return 0, fmt.Errorf("CPU time of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// OwnCPU returns the user and system time of this process by getrusage(2).
func OwnCPU() time.Duration {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		panic(err) // only for a bad argument
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
