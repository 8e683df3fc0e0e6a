package tuning

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRealKernel applies and reverts in a network and mount namespace of its own, where the settings of net are the
// kernel's, but nobody else's; everything outside net is a copy.
func TestRealKernel(t *testing.T) {
	if out, err := exec.Command("unshare", "-n", "-m", "true").CombinedOutput(); err != nil {
		skipUnlessCI(t, fmt.Sprintf("no namespaces here: %v %s", err, out))
		t.Skip()
	}
	const names = "core/somaxconn ipv4/tcp_max_syn_backlog ipv4/tcp_rmem ipv4/tcp_wmem ipv4/tcp_max_tw_buckets ipv4/tcp_slow_start_after_idle ipv4/ip_local_port_range ipv4/tcp_tw_reuse"
	const shared = "netfilter/nf_conntrack_max core/netdev_max_backlog ipv4/tcp_mem"
	values := "for f in " + names + "; do echo $f $(cat /proc/sys/net/$f); done"
	outside := func() string {
		out, err := exec.Command("sh", "-c", values+"; cd /proc/sys/net && cat "+shared+" 2>/dev/null || :").Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	inShells(t, func(t *testing.T, r runner) {
		before := outside()
		root := fakeHost{memory: 16 << 20, cores: 2}.write(t)
		script := filepath.Join(t.TempDir(), "inside.sh")
		shell := strings.Join(r.words, " ")
		// The namespace's own settings are what a process in it sees; with the bind mount the scripts find them below root.
		text := `set -u
mount --bind /proc/sys/net "$1/proc/sys/net" || exit 9
echo 4096 >/proc/sys/net/core/somaxconn
echo "4096 131072 6291456" >/proc/sys/net/ipv4/tcp_rmem
echo 1 >/proc/sys/net/ipv4/tcp_slow_start_after_idle
` + values + `
` + shell + ` ./apply.sh --root "$1" --connections 1000000 --outgoing --yes >&2
echo applied
` + values + `
` + shell + ` ./apply.sh --root "$1" --connections 1000000 --outgoing --dry-run >&2
` + shell + ` ./revert.sh --root "$1" --yes >&2
echo reverted $?
` + values + `
`
		if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("unshare", "-n", "-m", "sh", script, root)
		var log strings.Builder
		cmd.Stderr = &log
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v\n%s", err, log.String())
		}
		begin, rest, _ := strings.Cut(string(out), "applied\n")
		applied, end, ok := strings.Cut(rest, "reverted 0\n")
		if !ok || begin != end || begin == "" {
			t.Errorf("before:\n%safter revert.sh:\n%s%s", begin, end, log.String())
		}
		for _, want := range []string{
			"core/somaxconn 65535\n", "ipv4/tcp_max_syn_backlog 65535\n", "ipv4/tcp_rmem 4096 16384 6291456\n", "ipv4/tcp_max_tw_buckets 1000000\n",
			"ipv4/tcp_slow_start_after_idle 0\n", "ipv4/ip_local_port_range 10000 65535\n", "ipv4/tcp_tw_reuse 1\n",
		} {
			if !strings.Contains(applied, want) {
				t.Errorf("%q is not among what was applied:\n%s", want, applied)
			}
		}
		// What the kernel keeps for all namespaces is not there, or cannot be set; the rest is no change the second time:
		// it shows in the first difference only, as a running value and in the file for sysctl.
		if !strings.Contains(log.String(), "not on this kernel: net.ipv4.tcp_mem") || strings.Count(log.String(), "+net.core.somaxconn = 65535\n") != 2 {
			t.Error(log.String())
		}
		if after := outside(); after != before {
			t.Errorf("the host itself was changed:\n%s\nthen\n%s", before, after)
		}
	})
}
