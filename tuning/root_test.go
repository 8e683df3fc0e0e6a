package tuning

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fakeHost is a directory that looks like a host's root to the scripts and to Inspect.
type fakeHost struct {
	memory    int64 // KiB
	cores     int
	conntrack bool
	nics      []NIC
	limit     string // hard limit of descriptors
	files     map[string]string
}

// usualValues are those of Debian 12 on a small host.
var usualValues = map[string]string{
	"proc/sys/fs/nr_open":                             "1048576\n",
	"proc/sys/fs/file-max":                            "9223372036854775807\n",
	"proc/sys/fs/epoll/max_user_watches":              "442000\n",
	"proc/sys/net/core/somaxconn":                     "4096\n",
	"proc/sys/net/core/netdev_max_backlog":            "1000\n",
	"proc/sys/net/core/rps_sock_flow_entries":         "0\n",
	"proc/sys/net/ipv4/tcp_max_syn_backlog":           "512\n",
	"proc/sys/net/ipv4/tcp_syncookies":                "1\n",
	"proc/sys/net/ipv4/tcp_abort_on_overflow":         "0\n",
	"proc/sys/net/ipv4/tcp_timestamps":                "1\n",
	"proc/sys/net/ipv4/tcp_mem":                       "21693\t28924\t43386\n",
	"proc/sys/net/ipv4/tcp_rmem":                      "4096\t131072\t6291456\n",
	"proc/sys/net/ipv4/tcp_wmem":                      "4096\t16384\t4194304\n",
	"proc/sys/net/ipv4/tcp_max_orphans":               "8192\n",
	"proc/sys/net/ipv4/tcp_max_tw_buckets":            "8192\n",
	"proc/sys/net/ipv4/tcp_slow_start_after_idle":     "1\n",
	"proc/sys/net/ipv4/ip_local_port_range":           "32768\t60999\n",
	"proc/sys/net/ipv4/tcp_tw_reuse":                  "2\n",
	"proc/sys/vm/max_map_count":                       "65530\n",
	"proc/sys/vm/overcommit_memory":                   "0\n",
	"proc/sys/vm/swappiness":                          "60\n",
	"sys/kernel/mm/transparent_hugepage/enabled":      "[always] madvise never\n",
	"etc/sysctl.conf":                                 "# mine\nnet.core.somaxconn=1024\n",
	"etc/sysctl.d/10-mine.conf":                       "vm.swappiness = 20\n",
	"etc/security/limits.conf":                        "# none\n",
	"etc/systemd/system/stentor.service":              "[Service]\nExecStart=/usr/local/bin/stentor serve\nTasksMax=512\n",
	"etc/systemd/system/stentor.service.d/10-my.conf": "[Service]\nLimitNOFILE=1024:2048\n",
	"proc/1/comm":                                     "systemd\n",
}

var conntrackValues = map[string]string{
	"proc/sys/net/netfilter/nf_conntrack_max":                     "65536\n",
	"proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established": "432000\n",
	"sys/module/nf_conntrack/parameters/hashsize":                 "16384\n",
}

// write makes the root in a new directory of the test.
func (h fakeHost) write(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	put := func(path, text string) {
		file := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for path, text := range usualValues {
		put(path, text)
	}
	if h.conntrack {
		for path, text := range conntrackValues {
			put(path, text)
		}
	}
	if h.limit == "" {
		h.limit = "524288"
	}
	put("proc/meminfo", fmt.Sprintf("MemTotal:       %d kB\nMemFree: 1 kB\n", h.memory))
	put("proc/cpuinfo", strings.Repeat("processor\t: 0\nmodel name\t: x\n\n", h.cores))
	put("proc/self/limits", "Limit                     Soft Limit           Hard Limit           Units     \nMax open files            1024                 "+h.limit+"               files     \n")
	for _, n := range h.nics {
		put("sys/class/net/"+n.Name+"/device/vendor", "")
		for q := range n.RX {
			put(fmt.Sprintf("sys/class/net/%s/queues/rx-%d/rps_cpus", n.Name, q), "00000000\n")
			put(fmt.Sprintf("sys/class/net/%s/queues/rx-%d/rps_flow_cnt", n.Name, q), "0\n")
		}
		for q := range n.TX {
			put(fmt.Sprintf("sys/class/net/%s/queues/tx-%d/xps_cpus", n.Name, q), "0\n")
		}
	}
	put("sys/class/net/lo/queues/rx-0/rps_cpus", "0\n")
	for path, text := range h.files {
		put(path, text)
	}
	return root
}

// snapshot returns every file and directory below root, with its mode and content.
func snapshot(t *testing.T, root string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text := info.Mode().String()
		if info.Mode().IsRegular() {
			b, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			text += "\n" + string(b)
		}
		all[strings.TrimPrefix(name, root)] = text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// changed lists what differs between two snapshots.
func changed(a, b map[string]string) []string {
	var names []string
	for name, text := range a {
		if other, ok := b[name]; !ok || other != text {
			names = append(names, fmt.Sprintf("%s: %q, then %q", name, text, other))
		}
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			names = append(names, name+": new")
		}
	}
	return names
}
