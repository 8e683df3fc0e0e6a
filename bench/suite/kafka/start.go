package kafka

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"stentor/bench/machine/server"
	"stentor/bench/suite/report"
)

// startTarget is how many seconds a node may take until it is ready.
const startTarget = 10

const (
	// destinations of the records in the history.
	startDestinations = 1000
	// perRecord bounds the bytes of a record in a node's history beside its body.
	perRecord = 1024

	historyPushes = "stentor_history_pushes"
)

// start fills a topic with records, within the time that a node keeps history, and takes the time from the start of a
// node's process until it says that it is ready. The node's history is bounded so high that it holds all of them, which
// is checked. It is started several times, each time from nothing; its memory is read when it is ready. Beside each
// start stands the time that this machine needs merely to touch as much fresh memory: seconds, where a hypervisor has to
// find it first.
func (b *bench) start(ctx context.Context, d *bed) ([]report.Result, error) {
	n := b.plan.history
	b.Progress.Step(func() string { return report.Group(d.back.acknowledged.Load()) + " records" }, "start: producing %s records of %d bytes", report.Group(int64(n)), startBytes)
	began := time.Now()
	for i := range n {
		r := record{destination: fmt.Sprintf("/topic/bench/%d", i%startDestinations), seq: uint32(i/startDestinations) + 1, due: time.Now(), size: startBytes}
		if err := d.back.produce(ctx, r); err != nil {
			return nil, err
		}
	}
	if err := d.back.flush(ctx); err != nil {
		return nil, err
	}
	filled := time.Since(began)
	var seconds, rss, bytes, cpus, touches []float64
	for i := range b.plan.starts {
		b.Progress.Step(nil, "start %d/%d: a node reads %s records", i+1, b.plan.starts, report.Group(int64(n)))
		err := b.serve(ctx, d, int64(n)*(startBytes+perRecord), func(ctx context.Context, s *server.Server) error {
			cpu, err := s.CPU()
			if err != nil {
				return err
			}
			resident, err := s.RSS()
			if err != nil {
				return err
			}
			kept, err := s.Metric(ctx, historyPushes)
			if err != nil {
				return err
			}
			if kept != int64(n) {
				return fmt.Errorf("the node's history has %d of %d records, %v after the first was produced", kept, n, time.Since(began).Round(time.Second))
			}
			held, err := s.Metric(ctx, server.HistoryBytes)
			seconds, rss = append(seconds, s.ReadyAfter.Seconds()), append(rss, float64(resident)/(1<<20))
			bytes, cpus = append(bytes, float64(held)/(1<<20)), append(cpus, cpu.Seconds())
			return err
		})
		if err != nil {
			return nil, err
		}
		took, err := touch(int(rss[i]) << 20)
		if err != nil {
			return nil, err
		}
		touches = append(touches, took.Seconds())
	}
	perSecond := make([]float64, len(seconds))
	for i, s := range seconds {
		perSecond[i] = float64(n) / s
	}
	return []report.Result{
		report.New("start", fmt.Sprintf("until a node with a history of %s records of %d bytes is ready", report.Group(int64(n)), startBytes), "s", seconds,
			report.With("records a second", "/s", perSecond...),
			report.With("its CPU time until then", "s", cpus...),
			report.With("its RSS then", "MiB", rss...),
			report.With("history, as it counts it", "MiB", bytes...),
			report.With("touching that much fresh memory, nothing else", "s", touches...),
			report.With("producing them took", "s", filled.Seconds()),
		).Most(startTarget),
	}, nil
}

// touch allocates fresh memory, writes to each page, and frees it.
func touch(size int) (time.Duration, error) {
	memory, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return 0, fmt.Errorf("%d bytes of memory: %w", size, err)
	}
	began := time.Now()
	for i := 0; i < size; i += os.Getpagesize() {
		memory[i] = 1
	}
	took := time.Since(began)
	return took, unix.Munmap(memory)
}
