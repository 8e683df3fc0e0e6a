package vm

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
)

// console adds the time to the lines that the machine prints, and passes them on.
type console struct {
	to    []io.Writer
	start time.Time
	line  []byte
	last  []string // for tail
}

func newConsole(log, show io.Writer) *console {
	c := &console{to: []io.Writer{log}, start: time.Now()}
	if show != nil {
		c.to = append(c.to, show)
	}
	return c
}

const (
	longestLine = 16 << 10
	tailLines   = 15
)

// escapes are terminal escape sequences.
var escapes = regexp.MustCompile("\x1b(c|\\[[0-9;?=]*[A-Za-z])")

// Write implements io.Writer. It never fails: a run does not end because nobody can watch it.
func (c *console) Write(b []byte) (int, error) {
	n := len(b)
	for {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			break
		}
		c.line = append(c.line, b[:i]...)
		c.flush()
		b = b[i+1:]
	}
	if c.line = append(c.line, b...); len(c.line) > longestLine {
		c.flush()
	}
	return n, nil
}

func (c *console) flush() {
	text := strings.TrimRight(escapes.ReplaceAllString(string(c.line), ""), "\r \t")
	if c.line = c.line[:0]; text == "" {
		return
	}
	if c.last = append(c.last, text); len(c.last) > tailLines {
		c.last = c.last[1:]
	}
	for _, w := range c.to {
		fmt.Fprintf(w, "[%8.1fs] %s\n", time.Since(c.start).Seconds(), text)
	}
}

// close passes on an incomplete last line.
func (c *console) close() { c.flush() }

// tail is the end of the output.
func (c *console) tail() string { return strings.Join(c.last, "\n") }
