// Package lvs holds the scripts of LVS with direct routing, and their tests: director.sh without a kernel that has
// ip_vs, against an ipvsadm that keeps a table, realserver.sh in a network namespace. bench/machine/vm tries both with a real ip_vs.
package lvs

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"stentor/engine/testkit"
)

func TestShellcheck(t *testing.T) {
	if out, err := exec.Command("shellcheck", "director.sh", "realserver.sh").CombinedOutput(); err != nil {
		t.Errorf("%v (make tuning-deps installs it)\n%s", err, out)
	}
}

// fake is an ipvsadm that knows what director.sh uses, and keeps its table in a file.
const fake = `#!/bin/sh
set -eu
touch "$TABLE"
action=$1; shift
[ "$action" != --set ] || exit 0
service= server= weight=
while [ $# -gt 0 ]; do
	case $1 in
	-t) service=$2; shift ;;
	-r) server=$2; shift ;;
	-w) weight=$2; shift ;;
	esac
	shift
done
drop() { grep -v -- "$1" "$TABLE" >"$TABLE.new" || true; mv "$TABLE.new" "$TABLE"; }
has() { grep -q -- "$1" "$TABLE"; }
case $action in
-L) has "^TCP  $service " && { echo "IP Virtual Server"; cat "$TABLE"; } ;;
-A) if has "^TCP  $service "; then exit 1; fi; echo "TCP  $service wlc" >>"$TABLE" ;;
-E) has "^TCP  $service " ;;
-D) has "^TCP  $service "; : >"$TABLE" ;;
-a) has "^TCP  $service "; if has "-> $server "; then exit 1; fi; echo "  -> $server Route $weight" >>"$TABLE" ;;
-e) has "-> $server "; drop "-> $server "; echo "  -> $server Route $weight" >>"$TABLE" ;;
-d) has "-> $server "; drop "-> $server " ;;
esac
`

// host runs scripts with commands of its own before the system's.
type host struct {
	t     *testing.T
	dir   string
	shell []string
	env   []string
}

func newHost(t *testing.T, commands map[string]string) *host {
	t.Helper()
	h := &host{t: t, dir: t.TempDir(), shell: []string{"sh"}}
	for name, text := range commands {
		if err := os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	h.env = append(os.Environ(), "PATH="+h.dir+":"+os.Getenv("PATH"), "TABLE="+h.dir+"/table", "STENTOR_LVS_STATE="+h.dir+"/state")
	return h
}

// run is a line of a shell, here a script with arguments. It returns what was written, and whether all went well.
func (h *host) run(line string) (string, bool) {
	h.t.Helper()
	cmd := exec.Command(h.shell[0], append(h.shell[1:], "-c", line)...)
	cmd.Env = h.env
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

func (h *host) must(line string) string {
	h.t.Helper()
	out, ok := h.run(line)
	if !ok {
		h.t.Fatalf("%s:\n%s", line, out)
	}
	return out
}

func (h *host) table() string {
	h.t.Helper()
	text, err := os.ReadFile(h.dir + "/table")
	if err != nil {
		h.t.Fatal(err)
	}
	return string(text)
}

// TestDirector: up is idempotent, drain and resume change weights, down leaves nothing.
func TestDirector(t *testing.T) {
	// ip says once that the address is there, so that it is added once.
	ip := "#!/bin/sh\ncase \"$*\" in *show*) cat \"$TABLE.ip\" 2>/dev/null || true ;; 'address add'*) [ ! -e \"$TABLE.ip\" ] && echo ' 192.0.2.10/32 ' >\"$TABLE.ip\" ;; 'address del'*) rm \"$TABLE.ip\" ;; esac\n"
	nothing := "#!/bin/sh\nexit 0\n"
	h := newHost(t, map[string]string{"ipvsadm": fake, "ip": ip, "sysctl": nothing, "arping": nothing, "modprobe": nothing})
	const up = "./director.sh up --vip 192.0.2.10 --port 443 --dev eth0 --node 192.0.2.21 --node 192.0.2.22"
	for range 2 {
		h.must(up)
		want := "TCP  192.0.2.10:443 wlc\n  -> 192.0.2.21:443 Route 100\n  -> 192.0.2.22:443 Route 100\n"
		if got := h.table(); got != want {
			t.Fatalf("%s\nwant\n%s", got, want)
		}
	}
	h.must("./director.sh drain --vip 192.0.2.10 --port 443 --node 192.0.2.21")
	if got := h.table(); !strings.Contains(got, "192.0.2.21:443 Route 0\n") || !strings.Contains(got, "192.0.2.22:443 Route 100\n") {
		t.Error(got)
	}
	if got := h.must("./director.sh status --vip 192.0.2.10 --port 443"); !strings.Contains(got, "192.0.2.21 100 drained\n") {
		t.Error(got)
	}
	h.must("./director.sh resume --vip 192.0.2.10 --port 443 --node 192.0.2.21 --weight 50")
	if got := h.table(); !strings.Contains(got, "192.0.2.21:443 Route 50\n") {
		t.Error(got)
	}
	h.must("./director.sh down --vip 192.0.2.10 --port 443 --dev eth0")
	left, err := os.ReadDir(h.dir + "/state")
	if got := h.table(); got != "" || err != nil || len(left) > 0 {
		t.Errorf("left: %q, %v, %v", got, left, err)
	}
	if _, err := os.Stat(h.dir + "/table.ip"); err == nil {
		t.Error("the address is left")
	}
	h.must("./director.sh down --vip 192.0.2.10 --port 443 --dev eth0")
	if out, ok := h.run("./director.sh status --vip 192.0.2.10 --port 443"); ok || !strings.Contains(out, "not up") {
		t.Error(out)
	}
}

// TestDirectorLooks: a node that is not ready gets weight 0, one that is gone for three looks leaves the table, one that is
// back returns; one that an operator took out is left alone.
func TestDirectorLooks(t *testing.T) {
	nothing := "#!/bin/sh\nexit 0\n"
	h := newHost(t, map[string]string{"ipvsadm": fake, "ip": nothing, "sysctl": nothing, "arping": nothing, "modprobe": nothing})
	var status atomic.Int32
	api := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(status.Load())) }))
	_, port, _ := net.SplitHostPort(testkit.FreePort(t)) // nobody else gets it while the API is away
	serve := func() {
		l, err := net.Listen("tcp", "127.0.0.41:"+port)
		if err != nil {
			t.Fatal(err)
		}
		api.Listener = l
		api.Start()
	}
	_ = api.Listener.Close()
	serve()
	h.must("./director.sh up --vip 192.0.2.10 --port 443 --dev eth0 --node 127.0.0.41 --node 127.0.0.42")
	h.must("./director.sh drain --vip 192.0.2.10 --port 443 --node 127.0.0.42")
	// So many looks: the pause after the last one ends the watch.
	const stop = "#!/bin/sh\necho >>\"$TABLE.looks\"\n[ $(wc -l <\"$TABLE.looks\") -lt \"$LOOKS\" ] || kill \"$PPID\"\n"
	if err := os.WriteFile(h.dir+"/sleep", []byte(stop), 0o700); err != nil {
		t.Fatal(err)
	}
	watch := func(looks int, want string) {
		t.Helper()
		_, _ = h.run(fmt.Sprintf("rm -f $TABLE.looks; LOOKS=%d ", looks) + "./director.sh watch --vip 192.0.2.10 --port 443 --health-port " + port)
		if got := h.table(); !strings.Contains(got, "127.0.0.42:443 Route 0\n") || !strings.Contains(got, want) || want == "" && strings.Contains(got, "127.0.0.41") {
			t.Errorf("%s\nwant %q", got, want)
		}
	}
	const looks = 3 // of which two may miss the API, if the machine does nothing else for the two seconds of a check
	status.Store(200)
	watch(looks, "127.0.0.41:443 Route 100\n")
	status.Store(503)
	watch(looks, "127.0.0.41:443 Route 0\n")
	api.Close()
	watch(2, "127.0.0.41:443 Route 0\n")
	watch(3, "")
	api = httptest.NewUnstartedServer(api.Config.Handler)
	_ = api.Listener.Close()
	serve()
	defer api.Close()
	status.Store(200)
	watch(looks, "127.0.0.41:443 Route 100\n")
}

// TestRealServer does it in a network namespace of its own: up twice and down leave all as it was.
func TestRealServer(t *testing.T) {
	if os.Getuid() != 0 {
		testkit.Missing(t, "a network namespace needs root")
	}
	h := newHost(t, nil)
	h.shell = []string{"unshare", "--net", "sh"}
	const look = "ip -o address show dev lo; for i in all lo; do cat /proc/sys/net/ipv4/conf/$i/arp_ignore /proc/sys/net/ipv4/conf/$i/arp_announce; done;"
	got := h.must("ip link set lo up; echo 1 >/proc/sys/net/ipv4/conf/lo/arp_announce; (" + look + ") >$TABLE.before; set -e;" +
		"! ./realserver.sh status --vip 192.0.2.10;" +
		"./realserver.sh up --vip 192.0.2.10; ./realserver.sh up --vip 192.0.2.10; ./realserver.sh up --vip 192.0.2.11;" +
		"./realserver.sh status --vip 192.0.2.10; ./realserver.sh status --vip 192.0.2.11;" + look +
		"./realserver.sh down --vip 192.0.2.10; ./realserver.sh status --vip 192.0.2.11; ./realserver.sh down --vip 192.0.2.11; ./realserver.sh down --vip 192.0.2.11;" +
		"(" + look + ") >$TABLE.after; cmp $TABLE.before $TABLE.after; ls -A $STENTOR_LVS_STATE")
	for _, want := range []string{"short  192.0.2.10 is not on lo", "ok     192.0.2.10 is on lo", "inet 192.0.2.11/32", "\n1\n2\n1\n2\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	if !strings.HasSuffix(got, "arp_announce of all is 2\n") {
		t.Errorf("something is left:\n%s", got)
	}
}

// TestRealServerRollsBack: an up whose last step fails leaves nothing, but for what another virtual address needs.
func TestRealServerRollsBack(t *testing.T) {
	const ip = "#!/bin/sh\ncase \"$*\" in *show*) cat \"$TABLE\" ;; *'add 192.0.2.11/32'*) exit 2 ;; *add*) echo \" $3 \" >>\"$TABLE\" ;; *del*) : >\"$TABLE\" ;; esac\n"
	h := newHost(t, map[string]string{"ip": ip, "table": ""})
	conf := h.dir + "/conf"
	h.env = append(h.env, "STENTOR_LVS_CONF="+conf)
	look := "cd " + conf + " && cat all/arp_ignore all/arp_announce lo/arp_ignore lo/arp_announce"
	h.must("mkdir -p " + conf + "/all " + conf + "/lo; cd " + conf + "; echo 0 >all/arp_ignore; echo 1 >all/arp_announce; echo 0 >lo/arp_ignore; echo 0 >lo/arp_announce")
	before := h.must(look)
	left := func() string { return h.must("ls -A $STENTOR_LVS_STATE") }
	if out, ok := h.run("./realserver.sh up --vip 192.0.2.11"); ok || !strings.Contains(out, "up failed") {
		t.Errorf("%v: %s", ok, out)
	}
	if after := h.must(look); after != before || left() != "" {
		t.Errorf("%q, before %q; kept: %q", after, before, left())
	}
	h.must("./realserver.sh up --vip 192.0.2.10")
	during := h.must(look)
	if out, ok := h.run("./realserver.sh up --vip 192.0.2.11"); ok {
		t.Error(out)
	}
	if after := h.must(look); after != during || during == before || left() != "realserver\nrealserver.192.0.2.10\n" {
		t.Errorf("%q, with the first address %q; kept: %q", after, during, left())
	}
	h.must("./realserver.sh down --vip 192.0.2.10")
	if after := h.must(look); after != before || left() != "" {
		t.Errorf("after down: %q, before %q; kept: %q", after, before, left())
	}
	// A setting that is not there: what was set before it is put back.
	h.must("rm " + conf + "/lo/arp_announce")
	if out, ok := h.run("./realserver.sh up --vip 192.0.2.10"); ok || !strings.Contains(out, "cannot be read") {
		t.Errorf("%v: %s", ok, out)
	}
	if after := h.must("cat " + conf + "/all/arp_ignore " + conf + "/lo/arp_ignore"); after != "0\n0\n" || left() != "" {
		t.Errorf("%q; kept: %q", after, left())
	}
}

// TestNonsense: the scripts refuse what cannot be meant, and do nothing then.
func TestNonsense(t *testing.T) {
	h := newHost(t, map[string]string{"ipvsadm": "#!/bin/sh\ntouch $TABLE\n", "ip": "#!/bin/sh\ntouch $TABLE\n"})
	for _, line := range []string{
		"./director.sh", "./director.sh up", "./director.sh sideways --vip 192.0.2.10 --port 1", "./director.sh up --vip 192.0.2.10 --port 443 --dev eth0",
		"./director.sh up --vip 192.0.2 --port 443 --dev eth0 --node 192.0.2.1", "./director.sh up --vip 192.0.2.256 --port 443 --dev eth0 --node 192.0.2.1",
		"./director.sh up --vip 192.0.2.10 --port 70000 --dev eth0 --node 192.0.2.1", "./director.sh up --vip 192.0.2.10 --port 443 --dev 'eth0;x' --node 192.0.2.1",
		"./director.sh up --vip 192.0.2.10 --port 443 --node 192.0.2.1", "./director.sh up --vip 192.0.2.10 --port 443 --dev eth0 --node host",
		"./director.sh up --vip 192.0.2.10 --port", "./director.sh watch --vip 192.0.2.10 --port 443", "./director.sh up --vip 192.0.2.10 --port 443 --dev eth0 --node 1.2.3.4.5",
		"./realserver.sh", "./realserver.sh up", "./realserver.sh up --vip", "./realserver.sh up --vip 192.0.2", "./realserver.sh up --vip 192.0.2.300", "./realserver.sh x --vip 192.0.2.1",
		"./realserver.sh up --vip 192.0..2.1", "./realserver.sh up --vip 192.0.2.08", "./realserver.sh up --vip 192.0.2.010", "./realserver.sh up --vip 0.0.0.0",
		"./realserver.sh up --vip 224.0.0.1", "./realserver.sh up --vip 2001:db8::1", "./realserver.sh up --vip 192.0.2.1.", "./realserver.sh up --vip ''",
		"./director.sh up --vip 192.0.2.10 --port 443 --dev eth0 --node 192.0.2.10", "./director.sh up --node 192.0.2.10 --vip 192.0.2.10 --port 443 --dev eth0",
		"./director.sh drain --vip 192.0.2.10 --port 443 --node 192.0.2.10", "./director.sh up --vip 192.0.2.10 --port 443 --dev eth0 --node 192.0.2.08",
		"./director.sh up --vip 192.0.02.10 --port 443 --dev eth0 --node 192.0.2.21", "./director.sh up --vip 192.0.2.10 --port 0443 --dev eth0 --node 192.0.2.21",
		"./director.sh up --vip 192.0.2.10 --port 0 --dev eth0 --node 192.0.2.21", "./director.sh up --vip 192.0.2.10 --port 443 --dev eth0 --node 192.0.2.21 --node 192.0.2.21",
		"./director.sh up --vip 192.0.2.10 --port 443 --dev eth0 --node 2001:db8::1", "./director.sh up --vip 0.0.0.0 --port 443 --dev eth0 --node 192.0.2.21",
		"./director.sh up --vip 192.0.2.10 --port 443 --dev -4 --node 192.0.2.21", "./director.sh up --vip 192.0.2.10 --port 443 --dev .. --node 192.0.2.21",
		"./director.sh up --vip 192.0.2.10 --port 443 --dev abcdefghijklmnop --node 192.0.2.21", "./director.sh up --vip 192.0.2.10 --port 443 --dev eth0 --node 192.0.2.21 --scheduler -x",
		"./director.sh up --vip 192.0.2.10 --port 443 --dev eth0 --node 192.0.2.21 --weight 0100", "./director.sh resume --vip 192.0.2.10 --port 443 --node 192.0.2.21",
	} {
		if out, ok := h.run(line); ok || out == "" {
			t.Errorf("%s is taken, or refused without a word: %q", line, out)
		}
	}
	if _, err := os.Stat(h.dir + "/table"); err == nil {
		t.Error("something was done")
	}
}

// TestDryRun: what would be done is said, and not done.
func TestDryRun(t *testing.T) {
	h := newHost(t, map[string]string{"ipvsadm": "#!/bin/sh\ntouch $TABLE\n", "ip": "#!/bin/sh\ntouch $TABLE\n"})
	got := h.must("./director.sh up --vip 192.0.2.10 --port 443 --dev eth0 --node 192.0.2.21 --dry-run; ./realserver.sh up --vip 192.0.2.10 --dry-run")
	for _, want := range []string{"ipvsadm -A -t 192.0.2.10:443 -s wlc\n", "ipvsadm -a -t 192.0.2.10:443 -r 192.0.2.21:443 -g -w 100\n", "all/arp_ignore = 1\n", "dev lo"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	if _, err := os.Stat(h.dir + "/table"); err == nil {
		t.Error("something was done")
	}
	if _, err := os.Stat(h.dir + "/state"); err == nil {
		t.Error("something is kept")
	}
}
