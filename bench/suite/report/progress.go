package report

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Progress tells a person what is going on: a line for each step and, on a terminal, live counts behind it.
type Progress struct {
	w        io.Writer
	terminal bool
	started  time.Time

	mu   sync.Mutex
	text string
	live func() string
	stop chan struct{}
	done sync.WaitGroup
}

const redraw = 250 * time.Millisecond

// NewProgress writes to w, which may be drawn over when it is a terminal.
func NewProgress(w io.Writer, terminal bool) *Progress {
	p := &Progress{w: w, terminal: terminal, started: time.Now(), stop: make(chan struct{})}
	if terminal {
		p.done.Go(func() {
			t := time.NewTicker(redraw)
			defer t.Stop()
			for {
				select {
				case <-t.C:
					p.draw()
				case <-p.stop:
					return
				}
			}
		})
	}
	return p
}

// Step begins the next step. live, unless nil, says how far it is; it is called from another goroutine.
func (p *Progress) Step(live func() string, format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.terminal && p.text != "" {
		fmt.Fprintln(p.w)
	}
	p.text, p.live = fmt.Sprintf(format, args...), live
	if !p.terminal {
		fmt.Fprintf(p.w, "%6.1fs  %s\n", time.Since(p.started).Seconds(), p.text)
	}
}

func (p *Progress) draw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.text == "" {
		return
	}
	now := ""
	if p.live != nil {
		now = "  " + p.live()
	}
	// Without wrapping: a line that took two would not be drawn over.
	fmt.Fprintf(p.w, "\x1b[?7l\r%6.1fs  %s%s\x1b[K\x1b[?7h", time.Since(p.started).Seconds(), p.text, now)
}

// Close ends the last line.
func (p *Progress) Close() {
	close(p.stop)
	p.done.Wait()
	if p.terminal {
		p.draw()
		fmt.Fprintln(p.w)
	}
}
