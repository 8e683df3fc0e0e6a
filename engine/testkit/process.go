package testkit

import (
	"bufio"
	"errors"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is one life of a node.
type process struct {
	*os.Process
	log     *os.File
	ended   chan struct{}    // closed when it has ended
	state   *os.ProcessState // once ended is closed
	clients string           // URLs
	api     string           // URL
	killed  bool             // by the test
}

// run starts a process, and a goroutine that reads its log.
func (n *Node) run() (*process, error) {
	log, theirs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	if n.setup.Unread > 0 {
		if _, err := unix.FcntlInt(theirs.Fd(), unix.F_SETPIPE_SZ, n.setup.Unread); err != nil {
			return nil, errors.Join(err, log.Close())
		}
	}
	cmd := n.Command()
	cmd.Stdout, cmd.Stderr = theirs, theirs // --dev says on standard output where it listens
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p := &process{log: log, ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // Pdeathsig comes when the thread that started the process ends
		err := cmd.Start()
		p.Process = cmd.Process
		started <- err
		if err != nil {
			return
		}
		n.read(log)
		_ = cmd.Wait() // the state has more
		p.state = cmd.ProcessState
		_ = log.Close()
		close(p.ended)
	}()
	if err := <-started; err != nil {
		return nil, errors.Join(err, log.Close())
	}
	return p, nil
}

// read keeps what the node logs; with Setup.Unread only until it serves.
func (n *Node) read(log *os.File) {
	if n.setup.Unread == 0 {
		n.Journal.Read(log)
		return
	}
	_ = log.SetReadDeadline(time.Now().Add(n.setup.Patience))
	for in := bufio.NewReaderSize(log, 16); ; {
		line, err := in.ReadString('\n')
		n.Journal.Read(strings.NewReader(line))
		var found map[string]any
		if err != nil || Saying("serving", &found)(line) {
			return
		}
	}
}

// CloseLog closes the pipe from which the log is read.
func (n *Node) CloseLog() { _ = n.process().log.Close() }

// PID returns the id of the process.
func (n *Node) PID() int { return n.process().Pid }

// Signal sends a signal to the process, if it still runs, and does not wait.
func (n *Node) Signal(sig syscall.Signal) {
	n.t.Helper()
	p := n.process()
	if sig == syscall.SIGKILL {
		n.mu.Lock()
		p.killed = true
		n.mu.Unlock()
	}
	if err := p.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		n.t.Fatal(err)
	}
}

// Kill ends the node like a crash.
func (n *Node) Kill() {
	n.t.Helper()
	n.Signal(syscall.SIGKILL)
	<-n.process().ended
}

// Leave tells the node to leave, and checks that it ends without an error.
func (n *Node) Leave() {
	n.t.Helper()
	n.Signal(syscall.SIGTERM)
	n.WaitEnd()
}

// WaitEnd waits for the end of a node that was told to leave, or killed, and checks that it ended without an error.
func (n *Node) WaitEnd() {
	n.t.Helper()
	p := n.process()
	select {
	case <-p.ended:
	case <-time.After(2 * n.setup.Patience):
		n.t.Errorf("the node does not end:\n%s", n.Journal.Text())
		_ = p.Process.Kill()
		<-p.ended
	}
	if !p.killed && !p.state.Success() {
		n.t.Errorf("the node ended with %v:\n%s", p.state, n.Journal.Text())
	}
	for _, bad := range []string{"DATA RACE", "panic"} {
		if text := n.Journal.Text(); strings.Contains(text, bad) {
			n.t.Errorf("the node logged a %s:\n%s", bad, text)
		}
	}
}

// finish ends the node with its test.
func (n *Node) finish() {
	p := n.process()
	switch {
	case p == nil:
		return
	case n.setup.Killed:
		select {
		case <-p.ended: // WaitEnd checks how it ended
		default:
			n.Signal(syscall.SIGKILL)
		}
	default:
		n.Signal(syscall.SIGTERM)
	}
	n.WaitEnd()
	if n.t.Failed() {
		n.t.Logf("the node's last lines:\n%s", n.Journal.Tail(40))
	}
}
