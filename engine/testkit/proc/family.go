package proc

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// Family returns pid and all its descendants that still run.
func Family(pid int) ([]int, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("there is no process %d, or the kernel does not say what it has started", pid)
	}
	all := []int{pid}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		for _, text := range bytes.Fields(b) {
			child, err := strconv.Atoi(string(text))
			if err != nil {
				return nil, fmt.Errorf("%s: %q", file, b)
			}
			family, err := Family(child)
			if err != nil {
				continue // it has ended
			}
			all = append(all, family...)
		}
	}
	return all, nil
}
