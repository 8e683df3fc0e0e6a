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

// Process is a measured process. Its output goes to a file, and it ends when this process does.
type Process struct {
	cmd    *exec.Cmd
	log    string        // file
	exited chan struct{} // closed when the process has ended
	exit   error         // what Wait said, once exited is closed
}

// Run starts cmd, which messages call name. The returned context ends when the process does; its cause has the end of the log.
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

// Stop is Leave for those who do not ask how the process ended.
func (p *Process) Stop(patience time.Duration) { _ = p.Leave(patience) }

// Leave asks the process to end, waits until it has, and returns how it ended. After patience it kills it.
func (p *Process) Leave(patience time.Duration) error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // fails only when it has ended
	select {
	case <-p.exited:
		return p.exit
	case <-time.After(patience):
		p.Kill()
		return fmt.Errorf("it has not ended after %v", patience)
	}
}

// Kill kills the process, and returns when it is gone.
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

// UserCPU is the part of CPU in user mode.
func (p *Process) UserCPU() (time.Duration, error) { return proc.UserCPU(p.cmd.Process.Pid) }

// RSS is the resident memory of the process in bytes.
func (p *Process) RSS() (int64, error) { return proc.RSS(p.cmd.Process.Pid) }
