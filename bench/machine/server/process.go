package server

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"stentor/engine/testkit/proc"
)

// Process is a process that is measured. Its output goes to a file, and it ends with this one.
type Process struct {
	cmd    *exec.Cmd
	log    string        // file
	exited chan struct{} // closed when the process has ended
	exit   error         // what Wait said, once exited is closed
}

// Run starts cmd, which messages call name. The context that it returns ends when the process does, with the end of its
// log as the cause.
func Run(ctx context.Context, name string, cmd *exec.Cmd, log string) (*Process, context.Context, error) {
	file, err := os.Create(log)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	p := &Process{cmd: cmd, log: log, exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = file, file
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		p.exit = cmd.Wait()
		close(p.exited)
		cancel(fmt.Errorf("%s ended (%v):\n%s", name, p.exit, p.Tail()))
	}()
	return p, ctx, nil
}

// Stop ends the process: kindly, and if that takes longer than patience, not.
func (p *Process) Stop(patience time.Duration) {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // fails only when it has ended
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.Kill()
	}
}

// Kill ends the process at once, and returns when it is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // fails only when it has ended
	<-p.exited
}

// Tail is the end of its log.
func (p *Process) Tail() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	const most = 3000
	return string(b[max(0, len(b)-most):])
}

// CPU is the processor time that the process has used.
func (p *Process) CPU() (time.Duration, error) { return proc.CPU(p.cmd.Process.Pid) }

// UserCPU is that in user mode.
func (p *Process) UserCPU() (time.Duration, error) { return proc.UserCPU(p.cmd.Process.Pid) }

// RSS is the resident memory of the process in bytes.
func (p *Process) RSS() (int64, error) { return proc.RSS(p.cmd.Process.Pid) }
