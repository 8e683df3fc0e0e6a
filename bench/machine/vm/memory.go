package vm

import (
	"fmt"
	"os"

	"stentor/engine/testkit/proc"
)

// qemuMemory is the memory that qemu needs besides the machine's own, most of it for translated code.
const qemuMemory = 1 << 30

// checkMemory refuses a machine that the host cannot hold. The host allocates its memory only when it is touched, and if it
// runs out in the middle of a run, it kills the machine or something else.
func checkMemory(want int64) error {
	if want < 256<<20 {
		return fmt.Errorf("%d MiB of memory are too little for a virtual machine, at least 256 are needed", want>>20)
	}
	have, err := proc.Available()
	if err != nil {
		return err
	}
	if have < want+qemuMemory {
		return fmt.Errorf("the virtual machine needs %.1f GiB of memory (%.1f for itself, 1 for qemu), the host has %.1f to give; ask for fewer connections, or end other programs",
			float64(want+qemuMemory)/(1<<30), float64(want)/(1<<30), float64(have)/(1<<30))
	}
	return nil
}

// checkProgram looks for a program before anything is done.
func checkProgram(path string) error {
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("%w: run bench/machine/vm/deps.sh", err)
	}
	return nil
}
