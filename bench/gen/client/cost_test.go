package client

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"stentor/bench/gen/measure"
	"stentor/bench/suite/baseline"
	"stentor/engine/testkit/proc"
)

const childEnv = "STENTOR_BENCH_BASELINE_CHILD"

// TestMain turns the test binary into the process that writes, when it is started as one.
func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		if err := baseline.Serve(os.Stdin, os.Stdout, 2); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// BenchmarkBroadcast says what reading and checking a broadcast costs this process, against a bare epoll_wait/read loop
// that looks at nothing. Another process writes, one system call a message. Rounds of both alternate; the ratio is the
// median of the pairs. An operation is a message.
func BenchmarkBroadcast(b *testing.B) {
	const connections, threads, pushes = 2000, 2, 5
	messages := connections * pushes
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	writer := func(connect func(netip.AddrPort) error) *baseline.Process {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"=1")
		p, err := baseline.Start(cmd)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { p.Close() })
		if err := p.Accept(connections, func() error { return connect(p.Address) }); err != nil {
			b.Fatal(err)
		}
		return p
	}
	var c *Client
	checked := writer(func(to netip.AddrPort) (err error) {
		if c, err = New(Options{Addresses: []netip.AddrPort{to}, Raw: true, Threads: threads, Sources: Loopback(connections)}); err != nil {
			return err
		}
		return c.Open(ctx, Reading, connections)
	})
	defer c.Close()
	var bare *bareReader
	unchecked := writer(func(to netip.AddrPort) (err error) {
		bare, err = newBareReader(to, connections, threads)
		return err
	})
	defer bare.close()

	seq, size := uint32(0), len(compiled("0", 100_000))
	delivered, read := int64(0), int64(0)
	round := func() (cost, bareCost float64) {
		var frames []byte
		for range pushes {
			seq++
			frame := compiled("0", 100_000+seq) // all of one length
			frames = append(frames, frame...)
		}
		before := proc.OwnCPU()
		if _, err := checked.Write(frames, size, baseline.Wrapped); err != nil {
			b.Fatal(err)
		}
		delivered += int64(messages)
		if err := c.WaitDelivered(ctx, delivered); err != nil {
			b.Fatal(err)
		}
		between := proc.OwnCPU()
		if _, err := unchecked.Write(frames, size, baseline.Wrapped); err != nil {
			b.Fatal(err)
		}
		read += int64(messages * size)
		for bare.bytes.Load() < read {
			time.Sleep(time.Millisecond)
		}
		return float64(between-before) / float64(messages), float64(proc.OwnCPU()-between) / float64(messages)
	}
	round()
	var ratios, costs, bares []float64
	for b.Loop() {
		cost, bareCost := round()
		ratios, costs, bares = append(ratios, cost/bareCost), append(costs, cost), append(bares, bareCost)
	}
	b.ReportMetric(0, "ns/op") // of a round, waits included: says nothing
	b.ReportMetric(measure.Median(costs), "cpu-ns/message")
	b.ReportMetric(measure.Median(bares), "bare-cpu-ns/message")
	b.ReportMetric(measure.Median(ratios), "ratio")
}

// bareReader reads and looks at nothing.
type bareReader struct {
	epolls []int
	fds    []int
	bytes  atomic.Int64
	ended  atomic.Bool
	done   sync.WaitGroup
}

func newBareReader(to netip.AddrPort, connections, threads int) (*bareReader, error) {
	r := &bareReader{}
	for range threads {
		epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
		if err != nil {
			return nil, err
		}
		r.epolls = append(r.epolls, epoll)
	}
	for i := range connections {
		fd, err := dial(to, Loopback(1)[0], Ports{}, Reading)
		if err != nil {
			return nil, err
		}
		r.fds = append(r.fds, fd)
		e := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
		if err := unix.EpollCtl(r.epolls[i%threads], unix.EPOLL_CTL_ADD, fd, &e); err != nil {
			return nil, err
		}
	}
	for _, epoll := range r.epolls {
		r.done.Go(func() {
			events, buffer := make([]unix.EpollEvent, batch), make([]byte, readBuffer)
			for !r.ended.Load() {
				n, _ := unix.EpollWait(epoll, events, 100)
				sum := int64(0)
				for i := range max(n, 0) {
					if n, _ := unix.Read(int(events[i].Fd), buffer); n > 0 {
						sum += int64(n)
					}
				}
				r.bytes.Add(sum)
			}
		})
	}
	return r, nil
}

func (r *bareReader) close() {
	r.ended.Store(true)
	r.done.Wait()
	for _, fd := range append(r.fds, r.epolls...) {
		unix.Close(fd)
	}
}
