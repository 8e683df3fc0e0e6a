package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// member is a process of a cluster for trials. at may be read once serves is closed, last and cause once done is.
type member struct {
	name   string
	cmd    *exec.Cmd
	at     addresses
	serves chan struct{} // closed when it serves
	done   chan struct{} // closed when it has ended
	last   string        // line of its log
	cause  error         // nil: it ended with status 0
}

// addresses is what a process of a cluster says of itself, in a line of JSON on its standard output, once it serves.
type addresses struct {
	Clients []string `json:"clients,omitempty"` // ws://
	API     string   `json:"api,omitempty"`     // http://, with a / at the end
	Kafka   string   `json:"kafka,omitempty"`
	Topics  []string `json:"topics,omitempty"`
}

// startMember starts this program again, with other arguments, in a process group of its own: Ctrl-C reaches only this
// process, which ends the others in order. The kernel kills them when this process dies. Each line of a process's log goes
// to log, behind its name. The end of the process is sent to ended, which has room for it.
func startMember(name string, args, env []string, log io.Writer, ended chan<- *member) (*member, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	m := &member{name: name, cmd: exec.Command(program, args...), serves: make(chan struct{}), done: make(chan struct{})}
	m.cmd.Env = append([]string{}, env...) // not nil, which would be all of this process's
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	out, err := m.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	lines, err := m.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // Pdeathsig comes when the thread that started the process ends
		err := m.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		var reading sync.WaitGroup
		reading.Go(func() { m.listen(out) })
		reading.Go(func() { m.copyLog(lines, log) })
		reading.Wait()
		m.cause = m.cmd.Wait()
		close(m.done)
		ended <- m
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return m, nil
}

// listen reads the addresses.
func (m *member) listen(out io.Reader) {
	if json.NewDecoder(out).Decode(&m.at) == nil {
		close(m.serves)
	}
	_, _ = io.Copy(io.Discard, out)
}

// raw matches what librdkafka writes to standard error itself, of a level that is no error.
var raw = regexp.MustCompile(`^%[4-7]\|`)

// copyLog copies the lines of the log, each with the name of its process.
func (m *member) copyLog(from io.Reader, to io.Writer) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if text := lines.Text(); !raw.MatchString(text) {
			m.last = text
			_, _ = fmt.Fprintf(to, "%-8s  %s\n", m.name, text)
		}
	}
	_, _ = io.Copy(io.Discard, from) // behind a line that is too long
}

func (m *member) pid() int { return m.cmd.Process.Pid }

// err says how the process ended, with the last line of its log if it ended by itself.
func (m *member) err() error {
	switch exit, ok := m.cause.(*exec.ExitError); {
	case m.cause == nil:
		return fmt.Errorf("%s (pid %d) has ended", m.name, m.pid())
	case ok && exit.Exited() && m.last != "":
		_, text, _ := strings.Cut(m.last, ": ") // what `run` prints begins with the command
		return fmt.Errorf("%s (pid %d) has ended with status %d: %s", m.name, m.pid(), exit.ExitCode(), text)
	}
	return fmt.Errorf("%s (pid %d) has ended: %w", m.name, m.pid(), m.cause)
}

// endMembers tells processes to end, waits for them, and kills those that are not done in time. A member may be nil: it was
// never started.
func endMembers(patience time.Duration, all ...*member) {
	end := time.After(patience)
	for _, m := range all {
		if m != nil {
			_ = m.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		}
	}
	for _, m := range all {
		if m == nil {
			continue
		}
		select {
		case <-m.done:
		case <-end:
			end = time.After(0)
			_ = m.cmd.Process.Kill()
			<-m.done
		}
	}
}
