package tuning

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const (
	limitsConf = "etc/security/limits.conf"
	limitsD    = "etc/security/limits.d/"
)

// loginCases are hosts for 5000 connections, which want 9096 descriptors. A login without an entry has the limit of the host.
var loginCases = []struct {
	name       string
	limit      string
	files      map[string]string
	every      string // what * has after apply.sh
	root       string // what root has
	wins       string // the file that wins with less
	leaveAlone bool   // apply.sh writes nothing for logins
}{
	{"nothing, low", "4096", nil, "9096", "9096", "", false},
	{"nothing, high", "12000", nil, "12000", "12000", "", true},
	{"both high, the shell low", "4096", map[string]string{limitsConf: "* hard nofile 15000\nroot - nofile 16000\n"}, "15000", "16000", "", true},
	{"* high, root unsaid", "4096", map[string]string{limitsConf: "* - nofile 15000\n"}, "15000", "9096", "", false},
	{"root high, * unsaid", "4096", map[string]string{limitsD + "20-a.conf": "root\thard\tnofile\t15000\n"}, "9096", "15000", "", false},
	{"later and high", "4096", map[string]string{limitsD + "95-a.conf": "* hard nofile 15000\nroot hard nofile 16000"}, "15000", "16000", "", true},
	{"low before ours", "12000", map[string]string{limitsConf: "* hard nofile 100\n", limitsD + "10-a.conf": "root - nofile 200\n"}, "9096", "9096", "", false},
	{"low after ours", "4096", map[string]string{limitsD + "95-a.conf": "* hard nofile 100\n"}, "100", "9096", limitsD + "95-a.conf", false},
	{"root low after ours", "12000", map[string]string{limitsD + "95-a.conf": "root - nofile 100\n"}, "12000", "100", limitsD + "95-a.conf", false},
	{"high, then low", "4096", map[string]string{limitsConf: "* hard nofile 15000\n* hard nofile 100\n", limitsD + "10-a.conf": "root hard nofile 15000\nroot hard nofile 300"}, "9096", "9096", "", false},
	{"low, then high", "4096", map[string]string{limitsConf: "* hard nofile 100\nroot hard nofile 100\n", limitsD + "10-a.conf": "* hard nofile 15000\nroot hard nofile 15000\n"}, "15000", "15000", "", true},
	{"the order of C", "4096", map[string]string{limitsD + "A.conf": "* hard nofile 100\nroot hard nofile 100\n", limitsD + "a.conf": "* hard nofile 15000\nroot hard nofile 15000\n"}, "15000", "15000", "", true},
	{"limits.conf comes first", "4096", map[string]string{limitsConf: "* hard nofile 100\nroot hard nofile 100\n", limitsD + "0.conf": "* hard nofile 15000\nroot hard nofile 15000\n"}, "15000", "15000", "", true},
	{"not read", "12000", map[string]string{
		limitsD + "95-a.txt": "* hard nofile 100\n", limitsD + ".95-a.conf": "* hard nofile 100\n",
		limitsConf: "#* hard nofile 100\n* hard # nofile 100\n* hard nproc 100\n* hard nofile\n* hard nofile many\n* Any nofile 100\nann hard nofile 100\n",
	}, "12000", "12000", "", true},
	{"capitals, spaces and more words", "12000", map[string]string{limitsD + "95-a.conf": "  * HARD\tNoFile 100 more # why\r\n"}, "100", "12000", limitsD + "95-a.conf", false},
	{"a number and letters", "12000", map[string]string{limitsD + "95-a.conf": "* hard nofile 100k\n"}, "100", "12000", limitsD + "95-a.conf", false},
	{"high in our own file", "4096", map[string]string{limitsD + "90-stentor.conf": "* hard nofile 15000\n"}, "15000", "9096", "", false},
	{"low in our own file", "12000", map[string]string{limitsD + "90-stentor.conf": "* hard nofile 100\nroot hard nofile 100\n"}, "9096", "9096", "", false},
}

// TestApplyLimits has entries for logins in many files: after apply.sh they suffice by the reading of PAM itself, or the
// script says so, names the file that wins and does not say that all is done. What is higher stays. check.sh and Check agree.
func TestApplyLimits(t *testing.T) {
	pam := canAskPAM(t)
	inShells(t, func(t *testing.T, r runner) {
		for _, c := range loginCases {
			t.Run(c.name, func(t *testing.T) {
				root := fakeHost{memory: 2 << 20, cores: 2, limit: c.limit, files: c.files}.write(t)
				if err := os.MkdirAll(filepath.Join(root, limitsD), 0o755); err != nil {
					t.Fatal(err)
				}
				begin := snapshot(t, root)
				sameLogins(t, r, root, "")
				for range 2 { // the second time nothing is to be changed, and what is not in force still is not
					out, status := r.run(t, "apply.sh", "--root", root, "--connections", "5000", "--yes")
					done := strings.Contains(out, "\ndone; ") || strings.Contains(out, "nothing to change")
					if short := c.wins != ""; short == (status == 0) || short && (done || !strings.Contains(out, c.wins+" wins over /"+limitsFile)) || !short && strings.Contains(out, "wins over") {
						t.Errorf("exit status %d, want a word of %q\n%s", status, c.wins, out)
					}
				}
				if alone := begin["/"+limitsFile] == snapshot(t, root)["/"+limitsFile]; alone != c.leaveAlone {
					t.Errorf("%s left alone: %t, want %t", limitsFile, alone, c.leaveAlone)
				}
				var logins []string
				for i, want := range []string{c.root, c.every} {
					is := limitEntry(root, []string{"root", "*"}[i]).value
					logins = append(logins, cmp.Or(is, "inherited"))
					if is = cmp.Or(is, c.limit); is != want {
						t.Errorf("%s has %s, want %s", []string{"root", "*"}[i], is, want)
					}
				}
				if pam {
					if is, want := askPAM(t, root), strings.Join(logins, " "); is != want {
						t.Errorf("by PAM root and others have %s, want %s", is, want)
					}
				}
				sameLogins(t, r, root, c.wins)
				r.must(t, 0, "revert.sh", "--root", root, "--yes")
				if now := changed(begin, snapshot(t, root)); len(now) > 0 {
					t.Errorf("after revert.sh: %q", now)
				}
			})
		}
	})
}

// sameLogins compares what check.sh and Check say of nofile. After apply.sh both name the file that wins, if one does.
func sameLogins(t *testing.T, r runner, root, wins string) {
	t.Helper()
	h, err := Inspect(root)
	if err != nil {
		t.Fatal(err)
	}
	out, _ := r.run(t, "check.sh", "--root", root, "--connections", "5000")
	for _, f := range Check(root, 0, Want{Connections: 5000}, h) {
		if f.Kind != Rlimit {
			continue
		}
		want := "ok       nofile: " + f.Is + "\n"
		if f.Verdict != OK {
			want = "short    nofile: " + f.Is + ", should be at least 9096\n"
			if f.Where != "" {
				want += "        set in:   " + f.Where + "\n"
			}
		}
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
		if wins != "" && (f.Verdict != Short || f.Where != "/"+wins || !strings.Contains(f.Mend, "change nofile in /"+wins+", which wins over ")) {
			t.Errorf("%s, set in %q, %s: want a word of %s", f.Verdict, f.Where, f.Mend, wins)
		}
	}
}

// canAskPAM reports whether su can be run with another /etc/security here.
func canAskPAM(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Log("PAM does not judge: only root can put other files in the place of its own")
		return false
	}
	uses, err := os.ReadFile("/etc/pam.d/su")
	if err != nil || !regexp.MustCompile(`(?m)^session\s+required\s+pam_limits\.so`).Match(uses) {
		skipUnlessCI(t, "PAM does not judge: su has no pam_limits here")
		return false
	}
	script := `mount --make-rprivate / && test "$(ulimit -Hn)" -ge 16000 && su nobody -s /bin/sh -c true`
	if out, err := exec.Command("unshare", "-m", "sh", "-c", script).CombinedOutput(); err != nil {
		skipUnlessCI(t, "PAM does not judge: no namespaces, no su, or less than 16000 descriptors: "+err.Error()+" "+string(out))
		return false
	}
	return true
}

// askPAM returns the hard limits that logins of root and of others get from a host's files, "inherited" where that is the
// test's own. These files only lower it: raising needs a privilege that root has not in every container.
func askPAM(t *testing.T, root string) string {
	t.Helper()
	script := `mount --make-rprivate / && mount --bind "$1/etc/security" /etc/security && ulimit -Hn && su root -s /bin/sh -c "ulimit -Hn" && su nobody -s /bin/sh -c "ulimit -Hn"`
	out, err := exec.Command("unshare", "-m", "sh", "-c", script, "sh", root).Output()
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(out))
	for i := 1; i < len(f); i++ {
		if f[i] == f[0] {
			f[i] = "inherited"
		}
	}
	return strings.Join(f[1:], " ")
}
