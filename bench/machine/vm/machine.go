package vm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Machine is one run.
type Machine struct {
	Kernel  Kernel
	Cores   int   // 0: 2
	Memory  int64 // bytes
	Files   []File
	Modules []string // names of kernel modules to load, with what they depend on
	// Job is a script for busybox's sh; Env is set in its environment.
	Job string
	Env map[string]string
	// Out is the folder for console.log and for what the job brings out. It is made when it is missing.
	Out     string
	Console io.Writer     // nil: only console.log
	Timeout time.Duration // of the whole run, 0 for none
	// Accel is kvm or tcg (emulation); empty takes what the host can do.
	Accel string
}

// File is a file of the host that the machine gets, with the libraries that it needs when it is a program.
type File struct {
	Host  string // path there
	Guest string // path in the machine; empty: /bin and the name of Host
}

// ErrTimeout is returned when the job did not end in time.
var ErrTimeout = errors.New("the virtual machine did not end in time")

// Run boots the machine and returns the exit status of its job. The process of the machine is ended when ctx is.
func (m *Machine) Run(ctx context.Context) (status int, err error) {
	if m.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, m.Timeout, fmt.Errorf("%w (%v)", ErrTimeout, m.Timeout))
		defer cancel()
	}
	if err := checkMemory(m.Memory); err != nil {
		return 0, err
	}
	if err := os.MkdirAll(m.Out, 0o755); err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "stentor-vm-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	root, port := filepath.Join(dir, "root.cpio"), filepath.Join(dir, "port")
	if err := m.writeRoot(root); err != nil {
		return 0, err
	}
	log, err := os.Create(filepath.Join(m.Out, "console.log"))
	if err != nil {
		return 0, err
	}
	defer log.Close()
	console := newConsole(log, m.Console)
	ran := m.qemu(ctx, root, port, console)
	console.close()
	status, err = unpackResults(port, m.Out)
	switch {
	case ctx.Err() != nil:
		return 0, context.Cause(ctx)
	case ran != nil:
		return 0, fmt.Errorf("%s: %w\n%s", qemuName, ran, console.tail())
	case err != nil:
		return 0, fmt.Errorf("%w; the last lines of its console:\n%s", err, console.tail())
	}
	return status, nil
}

const qemuName = "qemu-system-x86_64"

func (m *Machine) qemu(ctx context.Context, root, port string, console io.Writer) error {
	accel := m.Accel
	if accel == "" {
		accel = hostAccel()
	}
	cores := m.Cores
	if cores == 0 {
		cores = 2
	}
	arguments := []string{
		"-no-user-config", "-nodefaults", "-display", "none", "-monitor", "none", "-no-reboot",
		"-serial", "stdio", "-smp", fmt.Sprint(cores), "-m", fmt.Sprintf("%dM", m.Memory>>20),
		"-kernel", m.Kernel.Image, "-initrd", root,
		"-device", "virtio-serial-pci", "-chardev", "file,id=out,path=" + port, "-device", "virtserialport,chardev=out,name=out",
	}
	parameters := "console=ttyS0 quiet panic=-1 mitigations=off apparmor=0 selinux=0 audit=0"
	switch accel {
	case "kvm":
		arguments = append(arguments, "-accel", "kvm", "-cpu", "host")
	case "tcg":
		// Left out is what costs an emulated processor more than it gives: a fifth level of page tables, instructions that
		// copy byte by byte, and the state of vector registers at each change of a thread.
		arguments = append(arguments, "-accel", "tcg,thread=multi", "-cpu", "max,-la57,-smap,-smep,-erms,-fsrm")
		// Emulation counts its TSC alike on all processors, which the kernel does not believe: it would read the time
		// from an emulated chip instead, in a system call that takes longer than a write to a socket.
		// The check of its timer fails when the host is busy, and interrupts are then set up in another way.
		parameters += " no_timer_check tsc=reliable clocksource=tsc noxsave nowatchdog rcupdate.rcu_cpu_stall_timeout=300"
	default:
		return fmt.Errorf("acceleration %q: want kvm or tcg", accel)
	}
	c := exec.CommandContext(ctx, qemuName, append(arguments, "-append", parameters)...)
	c.Stdout, c.Stderr = console, console
	// In its own process group, so that Ctrl-C reaches it only through ctx; it never outlives this process.
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return c.Run()
}

// hostAccel returns the fastest accelerator of the host. A virtual host may offer /dev/kvm and yet be unable to run an
// ordinary kernel with it.
func hostAccel() string {
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return "tcg"
	}
	f.Close()
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil || !canVirtualise(string(b)) {
		return "tcg"
	}
	return "kvm"
}

func canVirtualise(cpuinfo string) bool {
	for line := range strings.Lines(cpuinfo) {
		if name, flags, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "flags" {
			for flag := range strings.FieldsSeq(flags) {
				if flag == "vmx" || flag == "svm" {
					return true
				}
			}
			return false
		}
	}
	return false
}
