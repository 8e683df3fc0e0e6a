//go:build vm

package vm

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSystemd runs in the machine, whose control groups are of the second version, what package tuning tests with a
// systemd: what it limits check.sh and doctor find.
func TestSystemd(t *testing.T) {
	m := machine(t)
	m.Memory = 1 << 30
	test := filepath.Join(t.TempDir(), "tuning.test")
	if out, err := exec.Command("go", "test", "-c", "-tags", "vm", "-o", test, "stentor/tuning").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const tuning = "../../../tuning"
	m.Files = []File{
		{Host: test, Guest: "/root/tuning/tuning.test"},
		{Host: "/usr/lib/systemd/systemd", Guest: "/usr/lib/systemd/systemd"}, {Host: "/usr/lib/systemd/systemd-shutdown", Guest: "/usr/lib/systemd/systemd-shutdown"}, {Host: "/bin/systemctl"}, {Host: "/usr/bin/unshare"},
		{Host: "/bin/true", Guest: "/bin/true"}, // no link to busybox: another program takes its place
		{Host: filepath.Join(tuning, "stentor.service"), Guest: "/usr/lib/systemd/system/stentor.service"},
		{Host: filepath.Join(tuning, "stentor.service"), Guest: "/usr/local/lib/keep"},
	}
	for _, pattern := range []string{"*.sh", "*.awk", "testdata/*"} {
		files, err := filepath.Glob(filepath.Join(tuning, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %q, %v", pattern, files, err)
		}
		for _, file := range files {
			rel, err := filepath.Rel(tuning, file)
			if err != nil {
				t.Fatal(err)
			}
			m.Files = append(m.Files, File{Host: file, Guest: filepath.Join("/root/tuning", rel)})
		}
	}
	m.Job = `echo '+memory +pids' >/sys/fs/cgroup/cgroup.subtree_control
cd tuning && ./tuning.test -test.v -test.run TestLimitsAsManager/v2 >/root/log 2>&1
status=$?
cd /root && out log
exit $status`
	status, err := m.Run(t.Context())
	log, _ := os.ReadFile(filepath.Join(m.Out, "log"))
	if status != 0 || err != nil || !strings.Contains(string(log), "--- PASS: TestLimitsAsManager/v2") {
		t.Errorf("status %d, %v\n%s", status, err, log)
	}
}
