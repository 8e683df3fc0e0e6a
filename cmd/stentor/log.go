package main

import (
	"bytes"
	"io"
	"log/slog"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"stentor/cmd/stentor/config"
	"stentor/cmd/stentor/logqueue"
)

// patientLog puts a queue before the log: nothing waits for the log's reader, and the node outlives it. flush writes what is
// queued, for at most a second.
func patientLog(cfg config.Log, to io.Writer) (queue *logqueue.Queue, flush func()) {
	signal.Ignore(syscall.SIGPIPE) // else logging ends the process when the reader is gone
	var line bytes.Buffer
	notes := newLogger(cfg, &line)
	queue = logqueue.New(to, func(lines uint64) []byte {
		line.Reset()
		notes.Warn("log lines were dropped: their reader was too slow", "lines", lines)
		return line.Bytes()
	})
	return queue, func() { queue.Close(time.Second) }
}

// logMetrics counts the lines that the log dropped, if it can drop lines.
func logMetrics(to io.Writer) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "stentor_log_dropped_total", Help: "Log lines dropped because their reader was too slow.",
	}, func() float64 {
		if q, ok := to.(*logqueue.Queue); ok {
			return float64(q.Dropped())
		}
		return 0
	})
}

func newLogger(cfg config.Log, to io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.Level))
	o := &slog.HandlerOptions{Level: level}
	if cfg.Format == "json" {
		return slog.New(slog.NewJSONHandler(to, o))
	}
	return slog.New(slog.NewTextHandler(to, o))
}
