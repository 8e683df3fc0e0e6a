package vm

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Cost is the cost of nginx in front of the server.
type Cost struct {
	Memory int64 `json:"memory"` // bytes of nginx's for a connection, all of its memory divided by them
	Kernel int64 `json:"kernel"` // bytes of the kernel's for all sockets of a connection, idle
	// CPU for each message that was delivered in the broadcasts, of nginx and of the server.
	CPU       time.Duration `json:"cpu_ns"`
	ServerCPU time.Duration `json:"server_cpu_ns"`
}

// costOf compares the samples of the phases; nil without nginx, or when the run did not get that far.
func costOf(p *Proof) *Cost {
	start, open, broadcast := sampleOf(p.Samples, "start"), sampleOf(p.Samples, "open"), sampleOf(p.Samples, "broadcast")
	var delivered int64
	for _, phase := range p.Phases {
		if strings.HasPrefix(phase.Name, "broadcast") {
			delivered += phase.Delivered
		}
	}
	if start == nil || start.Proxy == 0 || open == nil || open.Clients == 0 || broadcast == nil || delivered == 0 {
		return nil
	}
	clients, messages := int64(open.Clients), time.Duration(delivered)
	processes := func(s *Sample) int64 { return s.Server + s.Generator + s.Proxy }
	return &Cost{
		Memory:    open.Proxy / clients,
		Kernel:    (open.Used - start.Used - processes(open) + processes(start)) / clients,
		CPU:       (broadcast.ProxyCPU - open.ProxyCPU) / messages,
		ServerCPU: (broadcast.ServerCPU - open.ServerCPU) / messages,
	}
}

// sampleOf is the sample of a phase's end, nil when there is none.
func sampleOf(all []Sample, phase string) *Sample {
	for i := range all {
		if all[i].Phase == phase {
			return &all[i]
		}
	}
	return nil
}

func (c *Cost) write(w io.Writer) {
	fmt.Fprintf(w, "nginx: %s bytes a connection; the kernel, for its four sockets: %s\n", group(c.Memory), group(c.Kernel))
	fmt.Fprintf(w, "CPU a message delivered in the broadcasts: nginx %v, server %v\n", c.CPU.Round(time.Microsecond), c.ServerCPU.Round(time.Microsecond))
}
