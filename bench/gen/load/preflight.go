package load

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"stentor/bench/gen/client"
)

// What a connection needs on this side.
const (
	reserve       = 256     // descriptors beside the connections
	ownBytes      = 600     // of this process
	tlsBytes      = 8_000   // more with TLS, measured
	kernelBytes   = 4 << 10 // of the kernel, idle
	bothEndsBytes = 8 << 10 // of the kernel and the server, when that is on this machine
)

// fromAddresses are the local addresses to connect from, none for the kernel's choice.
type fromAddresses = []netip.Addr

// host is what is checked before a run starts. Tests replace it.
type host struct {
	files     uint64 // descriptors that this process may open
	ports     int    // net.ipv4.ip_local_port_range
	available int64  // bytes of memory
	hasSource func(netip.Addr) error
}

func thisHost() (host, error) {
	h := host{hasSource: bindable}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return h, fmt.Errorf("RLIMIT_NOFILE: %w", err)
	}
	if limit.Cur < limit.Max {
		limit.Cur = limit.Max
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			return h, fmt.Errorf("RLIMIT_NOFILE: %w", err)
		}
	}
	h.files = limit.Cur
	ports, err := client.LocalPorts()
	if err != nil {
		return h, err
	}
	h.ports = ports.Len()
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return h, err
	}
	for line := range bytes.Lines(b) {
		if f := bytes.Fields(line); len(f) == 3 && string(f[0]) == "MemAvailable:" {
			kilobytes, _ := strconv.ParseInt(string(f[1]), 10, 64)
			h.available = kilobytes << 10
		}
	}
	return h, nil
}

// bindable says whether a is an address of this host.
func bindable(a netip.Addr) error {
	l, err := net.Listen("tcp", netip.AddrPortFrom(a, 0).String())
	if err != nil {
		return err
	}
	return l.Close()
}

// preflight returns the addresses to connect from, or an error that names everything that is short and the command to fix
// it.
func (s *Spec) preflight(t *target) (fromAddresses, error) {
	h, err := thisHost()
	if err != nil {
		return nil, err
	}
	return s.preflightOn(&h, t)
}

func (s *Spec) preflightOn(h *host, t *target) (fromAddresses, error) {
	var problems []error
	if need := uint64(s.Connections + reserve); h.files < need {
		problems = append(problems, fmt.Errorf("descriptors: %d connections need %d, and this process may open %d\n  ulimit -Hn %d && ulimit -n %d   (as root; for good: LimitNOFILE= of the unit, or /etc/security/limits.d)\n  sysctl -w fs.nr_open=%d fs.file-max=%d   (when ulimit says that is not permitted)",
			s.Connections, need, h.files, need, need, max(need, 1<<20), 2*max(need, 1<<20)))
	}
	bytes := int64(ownBytes + kernelBytes)
	where := "this end"
	if t.tls != nil {
		bytes += tlsBytes
	}
	if t.local() {
		bytes += bothEndsBytes
		where = "both ends, the server being on this machine"
	}
	if need := bytes * int64(s.Connections); h.available < need {
		problems = append(problems, fmt.Errorf("memory: %d connections need some %s (%s), and %s are available\n  use fewer --connections, or several generators", s.Connections, bytesText(need), where, bytesText(h.available)))
	}
	from, err := s.sourcesOn(h, t)
	return from, errors.Join(append(problems, err)...)
}

// sourcesOn returns the addresses to connect from. Each pair of one of them and a server's address and port has as many
// connections as there are local ports.
func (s *Spec) sourcesOn(h *host, t *target) (fromAddresses, error) {
	from, err := sources(s.Sources)
	if err != nil {
		return nil, err
	}
	servers, bits := len(t.addresses), t.addresses[0].Addr().BitLen()
	each := h.ports * servers
	need := (s.Connections + each - 1) / each
	switch {
	case len(from) == 0 && t.local() && t.addresses[0].Addr().Is4():
		// All of 127.0.0.0/8 exists without a command.
		return client.Loopback((s.Connections + servers - 1) / servers), nil
	case len(from) == 0 && need <= 1:
		return nil, nil
	case len(from) == 0:
		return nil, fmt.Errorf("source ports: %d connections to %d server addresses need %d source addresses with %d ports each, and no --source is given\n%s", s.Connections, servers, need, h.ports, addCommands(need, nil, bits))
	case len(from) < need:
		return nil, fmt.Errorf("source ports: %d connections to %d server addresses need %d source addresses with %d ports each, and --source has %d\n  sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\"   (makes it 64512 each)\n  or add %d addresses, or serve on more ports", s.Connections, servers, need, h.ports, len(from), need-len(from))
	}
	var missing fromAddresses
	for _, a := range from {
		if h.hasSource(a) != nil {
			missing = append(missing, a)
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("source addresses: %d of %d are not this host's\n%s", len(missing), len(from), addCommands(len(missing), missing, bits))
	}
	return from, nil
}

// addCommands are the commands that add source addresses and remove them again. bits are those of an address.
func addCommands(n int, addresses fromAddresses, bits int) string {
	device := defaultDevice()
	if len(addresses) == 0 {
		return fmt.Sprintf("  choose %d free addresses of the network of %s, and:\n  ip addr add ADDRESS/%d dev %s   (each of them; afterwards: ip addr del ADDRESS/%d dev %s)\n  then --source FIRST-LAST", n, device, bits, device, bits, device)
	}
	text := ""
	const most = 5 // the rest follows the same way
	for i, a := range addresses {
		if i == most {
			text += fmt.Sprintf("  ... and so on to %v\n", addresses[len(addresses)-1])
			break
		}
		text += fmt.Sprintf("  ip addr add %v/%d dev %s   (afterwards: ip addr del %v/%d dev %s)\n", a, bits, device, a, bits, device)
	}
	return text[:len(text)-1]
}

// defaultDevice is the network device of the default route.
func defaultDevice() string {
	b, err := os.ReadFile("/proc/net/route")
	if err == nil {
		for line := range bytes.Lines(b) {
			if f := bytes.Fields(line); len(f) > 1 && string(f[1]) == "00000000" {
				return string(f[0])
			}
		}
	}
	return "eth0"
}
