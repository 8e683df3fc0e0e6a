package testkit

import (
	"bufio"
	"encoding/json"
	"io"
	"strings"
	"sync"
	"time"
)

// A Journal keeps what a node logs. Any goroutine may query it while one calls Read.
type Journal struct {
	mu    sync.Mutex
	lines []string
	grown chan struct{} // closed with the next line, nil while nobody waits
}

// Read takes all lines until from ends.
func (j *Journal) Read(from io.Reader) {
	in := bufio.NewReader(from)
	for {
		line, err := in.ReadString('\n')
		if line != "" {
			j.add(strings.TrimRight(line, "\n"))
		}
		if err != nil {
			return
		}
	}
}

func (j *Journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
	if j.grown != nil {
		close(j.grown)
		j.grown = nil
	}
}

// After returns the lines after the first n, and a channel that is closed when there are more.
func (j *Journal) After(n int) (lines []string, grown <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.grown == nil {
		j.grown = make(chan struct{})
	}
	return j.lines[n:len(j.lines):len(j.lines)], j.grown
}

// Count returns how many lines there are.
func (j *Journal) Count() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.lines)
}

// Tail returns the last n lines.
func (j *Journal) Tail(n int) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.lines[max(0, len(j.lines)-n):], "\n")
}

// Text returns all lines.
func (j *Journal) Text() string { return j.Tail(j.Count()) }

// Wait waits for a line after the first n for which fits returns true. It gives up when ended is closed, or after patience.
func (j *Journal) Wait(n int, fits func(line string) bool, ended <-chan struct{}, patience time.Duration) (line string, ok bool) {
	late := time.After(patience)
	for over := false; ; {
		lines, grown := j.After(n)
		n += len(lines)
		for _, line := range lines {
			if fits(line) {
				return line, true
			}
		}
		if over {
			return "", false
		}
		select {
		case <-grown:
		case <-ended:
			over = true // after one more look
		case <-late:
			over = true
		}
	}
}

// Saying returns a function that matches a line of JSON with this message, and stores its attributes in found.
func Saying(message string, found *map[string]any) func(line string) bool {
	return func(text string) bool {
		var line map[string]any
		if json.Unmarshal([]byte(text), &line) != nil || line["msg"] != message {
			return false
		}
		*found = line
		return true
	}
}
