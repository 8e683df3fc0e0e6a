package tuning

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Want is what the host must hold.
type Want struct {
	Connections int64
	// Outgoing says that the host also opens connections: a proxy in front of a node, or stentor-bench.
	Outgoing bool
}

// Check returns ErrConnections for a number out of range.
func (w Want) Check() error {
	if w.Connections < 1 || w.Connections > MaxConnections {
		return ErrConnections
	}
	return nil
}

// Host has the facts about a host that values depend on.
type Host struct {
	Memory    int64 `json:"memory_kib"`
	Cores     int64 `json:"cores"`
	Page      int64 `json:"page_kib"`
	Conntrack bool  `json:"conntrack"` // the kernel tracks connections (for a firewall or NAT)
	NICs      []NIC `json:"nics"`
}

// NIC is a network interface with a device behind it.
type NIC struct {
	Name string `json:"name"`
	RX   int64  `json:"rx_queues"`
	TX   int64  `json:"tx_queues"`
}

// Inspect reads the facts from the host whose root directory is root. In /proc and /sys it reads only files that any user
// may read.
func Inspect(root string) (Host, error) {
	h := Host{Page: 4, NICs: []NIC{}}
	var err error
	if h.Memory, err = kilobytes(filepath.Join(root, "proc/meminfo"), "MemTotal:"); err != nil {
		return h, err
	}
	if page, err := kilobytes(filepath.Join(root, "proc/self/smaps"), "KernelPageSize:"); err == nil && page > 0 {
		h.Page = page
	}
	cpus, err := os.ReadFile(filepath.Join(root, "proc/cpuinfo"))
	if err != nil {
		return h, err
	}
	for line := range bytes.Lines(cpus) {
		if bytes.HasPrefix(line, []byte("processor")) {
			h.Cores++
		}
	}
	h.Cores = max(1, h.Cores)
	_, err = os.Stat(filepath.Join(root, "proc/sys/net/netfilter/nf_conntrack_max"))
	h.Conntrack = err == nil
	devices, _ := filepath.Glob(filepath.Join(root, "sys/class/net/*/device"))
	for _, d := range devices {
		queues := filepath.Join(filepath.Dir(d), "queues")
		rx, _ := filepath.Glob(filepath.Join(queues, "rx-*"))
		tx, _ := filepath.Glob(filepath.Join(queues, "tx-*"))
		h.NICs = append(h.NICs, NIC{filepath.Base(filepath.Dir(d)), int64(len(rx)), int64(len(tx))})
	}
	return h, nil
}

// kilobytes reads "N kB" after key in the first line of a file that begins with it.
func kilobytes(file, key string) (int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(text) {
		if f := strings.Fields(string(line)); len(f) >= 2 && f[0] == key {
			return strconv.ParseInt(f[1], 10, 64)
		}
	}
	return 0, fmt.Errorf("%s: no line %s", file, key)
}

// read returns the content of a small file with single spaces; "" when the file is missing or empty.
func read(root, path string) (string, error) {
	text, err := os.ReadFile(filepath.Join(root, path))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	return strings.Join(strings.Fields(string(text)), " "), err
}
