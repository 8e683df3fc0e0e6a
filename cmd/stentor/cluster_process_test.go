package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	client "stentor/clients/go"
	"stentor/engine/testkit"
)

// gone reports whether a process has ended; nobody may have waited for it yet.
func gone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, _ := strings.Cut(string(stat), ") ")
	return err != nil || strings.HasPrefix(state, "Z")
}

// pids are the process ids of the registry, the broker and the nodes.
func (c *trial) pids(t *testing.T) (all []int) {
	t.Helper()
	for _, m := range regexp.MustCompile(`(?m)^(?:dev-\d+|registry|broker) +(\d+) `).FindAllStringSubmatch(c.out.String(), -1) {
		var pid int
		if _, err := fmt.Sscan(m[1], &pid); err != nil {
			t.Fatal(err)
		}
		all = append(all, pid)
	}
	if len(all) != len(c.nodes)+2 {
		t.Fatalf("processes %v in %q", all, c.out.String())
	}
	return all
}

// asks returns what a URL answers, whatever the status; "" when nobody answers.
func asks(url string) string {
	r, err := (&http.Client{Timeout: 20 * time.Second}).Get(url)
	if err != nil {
		return ""
	}
	defer func() { _ = r.Body.Close() }()
	text, _ := io.ReadAll(r.Body)
	return string(text)
}

// Each node is a process: one is killed and the other continues; a node of one's own joins by the command that is printed;
// and Ctrl-C ends all in order.
func TestClusterOfProcesses(t *testing.T) {
	t.Parallel()
	c := runCluster(t, 2)
	pids := c.pids(t)
	eventually(t, "the registry does not know both nodes", func() bool {
		text := asks(c.registry + "?n=2")
		return strings.Contains(text, c.nodes[0].client) && strings.Contains(text, c.nodes[1].client)
	})

	if err := syscall.Kill(c.nodes[1].pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	ended := fmt.Sprintf("dev-2 (pid %d) has ended: signal: killed. The others continue.", c.nodes[1].pid)
	eventually(t, "nobody says that a node ended", func() bool { return strings.Contains(c.out.String(), ended) })

	command := regexp.MustCompile(`(?m)^  (\S+ \S+ serve .*node\.id=mine .*)$`).FindStringSubmatch(c.out.String())
	if command == nil {
		t.Fatal(c.out.String())
	}
	mine := exec.Command("sh", "-c", "exec env "+command[1])
	said := &output{}
	mine.Stdout, mine.Stderr = said, said
	runtime.LockOSThread() // Pdeathsig comes when the thread that started the process ends: with this test
	mine.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := mine.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = mine.Process.Signal(syscall.SIGTERM)
		if err := mine.Wait(); err != nil {
			t.Errorf("the node of one's own: %v\n%s", err, said)
		}
	}()
	clients := regexp.MustCompile(`clients +(ws://\S+)`)
	testkit.Eventually(t, patience, func() string { return "the node of one's own starts: " + said.String() }, func() bool { return clients.MatchString(said.String()) })
	url := clients.FindStringSubmatch(said.String())[1]
	eventually(t, "the node of one's own is not handed to clients", func() bool { return strings.Contains(asks(c.registry+"?n=3"), url) })
	conn, err := client.Dial(t.Context(), client.Options{URL: url, Project: "demo"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Subscribe("1", "/topic/demo/all", ""); err != nil {
		t.Fatal(err)
	}
	if _, receipt, err := conn.Next(); err != nil || receipt == nil {
		t.Fatal("no receipt", err)
	}
	postPush(t, c.nodes[0].api, `{"topic":"all","payload":"hello"}`)
	if m, _, err := conn.Next(); err != nil || string(m.Body) != "hello" {
		t.Fatal(m, err)
	}

	c.stop()
	logs := c.logs.String()
	stopped := regexp.MustCompile(`(?m)^dev-1 .*msg=stopped$`).FindStringIndex(logs)
	stopping := regexp.MustCompile(`(?m)^registry .*msg=stopping `).FindStringIndex(logs)
	if stopped == nil || stopping == nil || stopped[0] > stopping[0] {
		t.Errorf("the registry was told to end before the node had: %v %v", stopped, stopping)
	}
	if regexp.MustCompile(`%[0-7]\|`).MatchString(logs) {
		t.Error("a line of librdkafka as it is")
	}
	for _, pid := range pids {
		if !gone(pid) {
			t.Errorf("process %d is left", pid)
		}
	}
}

// The processes of a cluster do not outlive the one that started them, however it ends.
func TestClusterLeavesNoOrphans(t *testing.T) {
	t.Parallel()
	c := &trial{out: &output{}, logs: &output{}}
	parent := exec.Command(os.Args[0], "cluster", "--dev", "-n", "1", "--base-port", "0")
	parent.Stdout, parent.Stderr = c.out, c.logs
	runtime.LockOSThread() // Pdeathsig comes when the thread that started the process ends: with this test
	parent.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	parent.WaitDelay = 10 * time.Second
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the cluster does not start", func() bool { return strings.Contains(c.out.String(), "Ctrl-C") })
	c.read(t)
	pids := c.pids(t)
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // killed
	for _, pid := range pids {
		eventually(t, fmt.Sprintf("process %d is left", pid), func() bool { return gone(pid) })
	}
}

// A process that cannot start says why, and the others end with it.
func TestClusterCannotStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	err = cluster(t.Context(), clusterPlan{nodes: 1, settings: []string{"listen.api=" + taken.Addr().String()}}, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "dev-1 (pid ") || !strings.Contains(err.Error(), "has ended with status 1: listen.api: ") || !strings.Contains(err.Error(), "--base-port") {
		t.Error(err)
	}
}

func TestQuoteArg(t *testing.T) {
	for text, want := range map[string]string{"a=b": "a=b", "": "''", `it's {"a": b}`: `'it'\''s {"a": b}'`} {
		if got := quoteArg(text); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
