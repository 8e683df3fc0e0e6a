package loop

import (
	"net"
	"unsafe"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"
)

// gnet takes a connection from its own listeners, whose failing accept ends all of its loops, or as a net.Conn, which costs
// a second descriptor, a goroutine and five system calls for each. Both end in the two functions below. They are private: a
// gnet that lacks one of them does not link, and TestAdoptedVersion fails for any version but the one whose source was
// read.

//go:linkname newStreamConn github.com/panjf2000/gnet/v2.newStreamConn
func newStreamConn(proto string, fd int, eventLoop unsafe.Pointer, sa unix.Sockaddr, local, remote net.Addr) unsafe.Pointer

//go:linkname register github.com/panjf2000/gnet/v2.(*eventloop).register0
func register(eventLoop, conn unsafe.Pointer) error

// adopt makes fd, a non-blocking stream socket, a connection of el. It runs in el's loop; OnOpen runs inside. After an
// error fd is closed, or will be when OnClose has run. The connection does not know its addresses: gnet would keep
// three pieces of memory for the peer's, which the shard keeps anyway.
func adopt(el gnet.EventLoop, fd int) error {
	loop := (*[2]unsafe.Pointer)(unsafe.Pointer(&el))[1] // the *eventloop in the interface
	return register(loop, newStreamConn("tcp", fd, loop, nil, nil, nil))
}
