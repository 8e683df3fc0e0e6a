package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stentor/bench/vm"
)

// machineFlags are those of every command that starts a virtual machine.
type machineFlags struct {
	kernel, out, accel string
	memory             int64
	timeout            time.Duration
}

func (m *machineFlags) add(c *cobra.Command, out string, timeout time.Duration) {
	f := c.Flags()
	f.StringVar(&m.kernel, "kernel", ".cache/vm", "folder with an unpacked kernel package")
	f.StringVar(&m.out, "out", out, "folder for console.log and for what the job brings out")
	f.StringVar(&m.accel, "accel", "", "kvm or tcg (emulation); default: what the host can do")
	f.DurationVar(&m.timeout, "timeout", timeout, "end the machine after this time")
}

func (m *machineFlags) machine() (vm.Machine, error) {
	kernel, err := vm.FindKernel(m.kernel)
	return vm.Machine{
		Kernel: kernel, Memory: m.memory << 20, Out: m.out, Console: os.Stderr, Timeout: m.timeout, Accel: m.accel,
	}, err
}

func vmCommand() *cobra.Command {
	var flags machineFlags
	var files, modules, env []string
	c := &cobra.Command{
		Use:   "vm JOB",
		Short: "Run a shell script as root in a virtual machine",
		Long: `Run a shell script as root in a virtual machine of its own, with the files and kernel
modules that it wants. bench/vm/deps.sh installs what that needs. In the machine there
are busybox's commands, and ` + "`out FILE...`" + ` copies files to the host. The exit status is the
script's.`,
		Example: `  stentor-bench vm --file bin/stentor --module ip_vs_wlc job.sh
  stentor-bench vm --file proxies/lvs.sh:/root/lvs.sh --env NODES=2 --memory 1024 job.sh`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			job, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			m, err := flags.machine()
			if err != nil {
				return err
			}
			m.Job, m.Modules, m.Env = string(job), modules, map[string]string{}
			for _, f := range files {
				host, guest, _ := strings.Cut(f, ":")
				m.Files = append(m.Files, vm.File{Host: host, Guest: guest})
			}
			for _, e := range env {
				name, value, ok := strings.Cut(e, "=")
				if !ok {
					return fmt.Errorf("--env %s: want NAME=VALUE", e)
				}
				m.Env[name] = value
			}
			status, err := m.Run(cmd.Context())
			if err != nil {
				return err
			}
			if status != 0 {
				return fmt.Errorf("the job ended with status %d", status)
			}
			return nil
		},
	}
	flags.add(c, "vm-out", 10*time.Minute)
	f := c.Flags()
	f.Int64Var(&flags.memory, "memory", 1024, "the machine's memory in MiB")
	f.StringSliceVar(&files, "file", nil, "file for the machine, HOST or HOST:PATH-THERE; programs bring their libraries; may be repeated")
	f.StringSliceVar(&modules, "module", nil, "kernel module to load, with what it needs; may be repeated")
	f.StringArrayVar(&env, "env", nil, "NAME=VALUE for the job; may be repeated")
	return c
}
