package baseline

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"time"
)

// Process is a running baseline process. One goroutine at a time uses it.
type Process struct {
	Address netip.AddrPort

	cmd   *exec.Cmd
	input io.WriteCloser
	lines *bufio.Reader
}

// Start starts cmd, a program that calls Serve with its standard input and output, and waits for its address.
func Start(cmd *exec.Cmd) (*Process, error) {
	cmd.Stderr = os.Stderr
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &Process{cmd: cmd, input: input, lines: bufio.NewReader(output)}
	var g greeting
	if err := p.read(&g); err == nil {
		p.Address, err = netip.ParseAddrPort(g.Address)
		if err == nil {
			return p, nil
		}
	}
	return nil, errors.Join(fmt.Errorf("the baseline process did not start: %w", err), p.Close())
}

// PID is its process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Accept makes it accept n more connections. Meanwhile connect runs, to open them.
func (p *Process) Accept(n int, connect func() error) error {
	if err := p.send(command{Accept: n}, nil); err != nil {
		return err
	}
	if err := connect(); err != nil {
		return err
	}
	_, err := p.answer()
	return err
}

// Write makes it write frames, each size bytes long, to every connection, and returns when the last write has
// returned: what it wrote may still be unread.
func (p *Process) Write(frames []byte, size int, call Call) (Burst, error) {
	if err := p.send(command{Frames: len(frames) / size, Size: size, Call: call}, frames); err != nil {
		return Burst{}, err
	}
	return p.answer()
}

// Close ends it.
func (p *Process) Close() error {
	p.input.Close() // the process ends with its input
	kill := time.AfterFunc(patience, func() { p.cmd.Process.Kill() })
	defer kill.Stop()
	return p.cmd.Wait()
}

func (p *Process) send(c command, frames []byte) error {
	line, err := json.Marshal(c)
	if err != nil {
		return err
	}
	line = append(append(line, '\n'), frames...)
	if _, err := p.input.Write(line); err != nil {
		return fmt.Errorf("baseline process: %w", err)
	}
	return nil
}

func (p *Process) answer() (Burst, error) {
	var a answer
	if err := p.read(&a); err != nil {
		return Burst{}, err
	}
	if a.Error != "" {
		return Burst{}, fmt.Errorf("baseline process: %s", a.Error)
	}
	return a.Burst, nil
}

func (p *Process) read(v any) error {
	line, err := p.lines.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("baseline process: %w", err)
	}
	return json.Unmarshal(line, v)
}
