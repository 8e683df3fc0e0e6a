package loop

import (
	"golang.org/x/sys/unix"

	"stentor/engine/shard"
)

// watcher tells a loop which of its sockets can be written to again. gnet asks its own epoll instance, but tells nobody: it
// goes on writing what it has buffered, and a large push must not be buffered. A socket is here only while a large push
// waits for it, and is armed again for each event (EPOLLONESHOT).
//
// The kernel reports a socket writable when less than half of TCP_NOTSENT_LOWAT is unsent.
type watcher struct {
	epoll   int
	end     int  // an eventfd that ends run
	running bool // run is called, and closes both
}

// watcherDescriptors is how many descriptors a watcher keeps open.
const watcherDescriptors = 2

// newWatcher returns one that watches nothing before open.
func newWatcher() *watcher { return &watcher{epoll: -1, end: -1} }

func (w *watcher) open() (err error) {
	if w.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if w.end, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return err
	}
	return unix.EpollCtl(w.epoll, unix.EPOLL_CTL_ADD, w.end, &unix.EpollEvent{Events: unix.EPOLLIN})
}

// close closes the descriptors.
func (w *watcher) close() {
	for _, fd := range []int{w.epoll, w.end} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}

// watch implements shard.Config.Watch. The kernel forgets a socket that is closed.
func (w *watcher) watch(s shard.Socket, r shard.Ref) bool {
	if v := virtual(s); v != nil {
		return v.Watch(r)
	}
	fd := raw(s).Fd()
	slot, gen := r.Numbers()
	event := unix.EpollEvent{Events: unix.EPOLLOUT | unix.EPOLLONESHOT, Fd: int32(slot), Pad: int32(gen)}
	err := unix.EpollCtl(w.epoll, unix.EPOLL_CTL_MOD, fd, &event)
	if err == unix.ENOENT {
		err = unix.EpollCtl(w.epoll, unix.EPOLL_CTL_ADD, fd, &event)
	}
	return err == nil
}

// unwatch implements shard.Config.Unwatch.
func (w *watcher) unwatch(s shard.Socket) {
	if v := virtual(s); v != nil {
		v.Unwatch()
		return
	}
	_ = unix.EpollCtl(w.epoll, unix.EPOLL_CTL_DEL, raw(s).Fd(), nil)
}

// run calls tell until stop, which is called when the loop has ended.
func (w *watcher) run(tell func([]shard.Ref)) {
	defer w.close()
	events := make([]unix.EpollEvent, 128)
	for {
		n, err := unix.EpollWait(w.epoll, events, -1)
		if err != nil && err != unix.EINTR {
			return
		}
		var all []shard.Ref
		for _, e := range events[:max(n, 0)] {
			if e.Fd == 0 { // not a slot of a shard
				return
			}
			all = append(all, shard.RefOf(uint32(e.Fd), uint32(e.Pad)))
		}
		if len(all) > 0 {
			tell(all)
		}
	}
}

// stop ends run, or closes a watcher that does not run.
func (w *watcher) stop() {
	if !w.running {
		w.close()
		return
	}
	_, _ = unix.Write(w.end, []byte{1, 0, 0, 0, 0, 0, 0, 0})
}
