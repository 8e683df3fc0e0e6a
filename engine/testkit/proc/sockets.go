package proc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Socket is one established IPv4 TCP connection and the kernel memory that its buffers take at this end.
type Socket struct {
	Local, Remote netip.AddrPort
	// Buffers is what the receive and the send queue hold, with the kernel's own overhead, plus what is reserved
	// ahead for them. It does not include the socket itself (some 3 KB of slab, the same for every connection).
	Buffers int64
	// Unsent and Unread are the bytes of data in the two queues.
	Unsent, Unread uint32
}

// Layouts of linux/inet_diag.h and linux/sock_diag.h.
const (
	diagRequestSize = 56 // inet_diag_req_v2
	diagMessageSize = 72 // inet_diag_msg
	diagMemory      = 7  // INET_DIAG_SKMEMINFO
	tcpEstablished  = 1
)

// Sockets lists the connections of this network namespace whose local port is port.
func Sockets(port uint16) ([]Socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, fmt.Errorf("sock_diag: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, diagRequest(port), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, fmt.Errorf("sock_diag: %w", err)
	}
	var all []Socket
	buf := make([]byte, 64<<10)
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err != nil {
			return nil, fmt.Errorf("sock_diag: %w", err)
		}
		done := false
		if all, done, err = appendSockets(all, buf[:n], port); err != nil {
			return nil, err
		}
		if done {
			return all, nil
		}
	}
}

// diagRequest asks for a dump of all established connections with local port port.
func diagRequest(port uint16) []byte {
	le := binary.NativeEndian
	b := make([]byte, unix.NLMSG_HDRLEN+diagRequestSize)
	le.PutUint32(b, uint32(len(b)))
	le.PutUint16(b[4:], unix.SOCK_DIAG_BY_FAMILY)
	le.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	r := b[unix.NLMSG_HDRLEN:]
	r[0], r[1] = unix.AF_INET, unix.IPPROTO_TCP
	r[2] = 1 << (diagMemory - 1) // extensions
	le.PutUint32(r[4:], 1<<tcpEstablished)
	binary.BigEndian.PutUint16(r[8:], port)
	return b
}

var errDiag = errors.New("sock_diag: the answer is cut short")

// appendSockets reads one datagram of netlink messages. done says that the dump is complete.
func appendSockets(all []Socket, b []byte, port uint16) (_ []Socket, done bool, err error) {
	le := binary.NativeEndian
	for len(b) >= unix.NLMSG_HDRLEN {
		size, kind := int(le.Uint32(b)), le.Uint16(b[4:])
		if size < unix.NLMSG_HDRLEN || size > len(b) {
			return all, false, errDiag
		}
		m := b[unix.NLMSG_HDRLEN:size]
		b = b[min(len(b), (size+3)&^3):]
		switch kind {
		case unix.NLMSG_DONE:
			return all, true, nil
		case unix.NLMSG_ERROR:
			if len(m) < 4 {
				return all, false, errDiag
			}
			return all, false, fmt.Errorf("sock_diag: %w", unix.Errno(-int32(le.Uint32(m))))
		case unix.SOCK_DIAG_BY_FAMILY:
			if len(m) < diagMessageSize {
				return all, false, errDiag
			}
			// Some kernel versions treat the port as a hint: check it again.
			if s := parseSocket(m); s.Local.Port() == port {
				all = append(all, s)
			}
		}
	}
	return all, false, nil
}

// parseSocket reads one inet_diag_msg and the attributes that follow it.
func parseSocket(m []byte) Socket {
	le, be := binary.NativeEndian, binary.BigEndian
	s := Socket{
		Local:  netip.AddrPortFrom(netip.AddrFrom4([4]byte(m[8:12])), be.Uint16(m[4:])),
		Remote: netip.AddrPortFrom(netip.AddrFrom4([4]byte(m[24:28])), be.Uint16(m[6:])),
		Unread: le.Uint32(m[56:]),
		Unsent: le.Uint32(m[60:]),
	}
	for a := m[diagMessageSize:]; len(a) >= 4; {
		size, kind := int(le.Uint16(a)), le.Uint16(a[2:])
		if size < 4 || size > len(a) {
			break
		}
		if v := a[4:size]; kind == diagMemory && len(v) >= 4*(unix.SK_MEMINFO_BACKLOG+1) {
			for _, i := range []int{unix.SK_MEMINFO_RMEM_ALLOC, unix.SK_MEMINFO_WMEM_QUEUED, unix.SK_MEMINFO_FWD_ALLOC, unix.SK_MEMINFO_BACKLOG} {
				s.Buffers += int64(le.Uint32(v[4*i:]))
			}
		}
		a = a[min(len(a), (size+3)&^3):]
	}
	return s
}
