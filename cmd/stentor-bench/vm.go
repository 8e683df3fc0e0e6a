package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stentor/bench/machine/vm"
)

// machineFlags are the flags of every command that starts a virtual machine.
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
	c := &cobra.Command{
		Use:   "vm",
		Short: "Run programs in a virtual machine that may do what this host does not allow",
		Long: `Run programs in a virtual machine of their own, as root, with every limit raised.
bench/machine/vm/deps.sh installs what that needs.`,
	}
	c.AddCommand(vmRunCommand(), vmMillionCommand())
	return c
}

func vmMillionCommand() *cobra.Command {
	var flags machineFlags
	var asJSON bool
	var m vm.Million
	c := &cobra.Command{
		Use:   "million",
		Short: "Show that one server holds a million clients, in a virtual machine",
		Long: `Boot a virtual machine, set it up with tuning/apply.sh, look at it with stentor doctor, start
one server in it and run "stentor-bench million" against it. The figures of kernel and
processes at each phase come out to --out. The exit status is 1 when a target is missed.
With --tls the clients connect to wss:// of the server itself.
With --via the clients come through one nginx with the configuration of "stentor proxy-config".
Without hardware virtualisation a million connections take 45 minutes, 100,000 some five.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if m.Machine, err = flags.machine(); err != nil {
				return err
			}
			if m.Bench == "" {
				if m.Bench, err = os.Executable(); err != nil {
					return err
				}
			}
			proof, err := m.Run(cmd.Context())
			if proof != nil {
				if err := writeProof(cmd.OutOrStdout(), proof, asJSON); err != nil {
					return err
				}
			}
			if err != nil {
				return err
			}
			if n := proof.Missed(); n > 0 {
				return fmt.Errorf("%d targets or checks missed", n)
			}
			return nil
		},
	}
	flags.add(c, "million", 6*time.Hour)
	f := c.Flags()
	f.IntVar(&m.Connections, "connections", 1_000_000, "connections")
	f.DurationVar(&m.Heartbeat, "heartbeat", 10*time.Minute, "interval of STOMP heart-beats that the clients offer and request")
	f.StringVar(&m.Stentor, "stentor", "bin/stentor", "the server's binary")
	f.StringVar(&m.Bench, "bench", "", "the load generator's binary (default: this one)")
	f.StringVar(&m.Tuning, "tuning", "tuning", "folder with the tuning scripts; empty: raise the descriptors only")
	f.StringArrayVar(&m.BenchFlags, "bench-flag", nil, "another flag for stentor-bench million, as in --bench-flag=--broadcasts=2; may be repeated")
	f.StringVar((*string)(&m.Via), "via", "", "put nginx before the server, and between them unix, ports or sources: a Unix socket, several ports or several addresses")
	f.BoolVar(&m.TLS, "tls", false, "clients connect to wss://, and the server has TLS itself")
	f.StringVar(&m.Nginx, "nginx", "/usr/sbin/nginx", "nginx's binary, for --via")
	f.DurationVar(&m.After, "after", 4*time.Minute, "how long after all clients have left to note what the server keeps; 0: not at all")
	f.BoolVar(&m.Leave, "leave", false, "end with SIGTERM to the server, a broadcast being on its way, and look whether all are closed with 1012 and lack nothing")
	f.BoolVar(&asJSON, "json", false, "print the result as JSON")
	return c
}

func writeProof(w io.Writer, p *vm.Proof, asJSON bool) error {
	if !asJSON {
		return p.WriteTable(w)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(p)
}

func vmRunCommand() *cobra.Command {
	var flags machineFlags
	var files, modules, env []string
	c := &cobra.Command{
		Use:   "run JOB",
		Short: "Run a shell script as root in a virtual machine",
		Long: `Run a shell script as root in a virtual machine of its own, with the files and kernel
modules that it needs. bench/machine/vm/deps.sh installs what that needs. In the machine there
are busybox's commands, and ` + "`out FILE...`" + ` copies files to the host. The exit status is the
script's.`,
		Example: `  stentor-bench vm run --file bin/stentor --module ip_vs_wlc job.sh
  stentor-bench vm run --file proxies/lvs.sh:/root/lvs.sh --env NODES=2 --memory 1024 job.sh`,
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
