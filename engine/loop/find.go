package loop

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"
)

// findLoops makes a door for every loop: gnet does not list its loops, but hands connections to the one that has the
// fewest.
func (n *network) findLoops(loops int) error {
	for range loops {
		ours, theirs, err := pair()
		if err != nil {
			return err
		}
		defer ours.Close() // all at the end: until then gnet counts them
		c, err := n.client.EnrollContext(theirs, marker{})
		if err != nil {
			return fmt.Errorf("cannot reach an event loop: %w", err)
		}
		for _, d := range n.doors {
			if d.el == c.EventLoop() {
				return errors.New("an event loop cannot be reached")
			}
		}
		n.doors = append(n.doors, newDoor(n, c.EventLoop()))
	}
	return nil
}

// marker is the context of a connection that only finds an event loop.
type marker struct{}

// pair returns two connected sockets.
func pair() (ours, theirs net.Conn, err error) {
	l, err := net.Listen("unix", fmt.Sprintf("@stentor-%d-%d", time.Now().UnixNano(), rand.Uint64()))
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = l.Close() }()
	if ours, err = net.Dial("unix", l.Addr().String()); err != nil {
		return nil, nil, err
	}
	if theirs, err = l.Accept(); err != nil {
		_ = ours.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}
