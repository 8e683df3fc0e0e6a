package admin

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// A body that does not arrive holds a connection. It has this long to begin, and then must arrive at this rate.
const (
	bodyGrace = 5 * time.Second
	bodyRate  = 16 << 10 // bytes a second
)

// incoming is the body of a request. Its deadline moves with what has arrived.
type incoming struct {
	io.ReadCloser
	out   *http.ResponseController
	grace time.Duration // bodyGrace, but in tests
	owner string        // of the request's key: it is charged for what is kept
	left  int64         // declared and not read; -1 for a chunked body that has not ended
	begun time.Time
	read  int64
	until time.Time
}

// Read implements io.Reader.
func (b *incoming) Read(p []byte) (int, error) {
	if b.begun.IsZero() {
		b.begun = time.Now()
	}
	until := b.begun.Add(b.grace + time.Duration(b.read)*time.Second/bodyRate)
	if until.Sub(b.until) >= time.Second { // setting it costs as much as a small read
		b.until = until
		_ = b.out.SetReadDeadline(until)
	}
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	if b.left > 0 {
		b.left -= int64(n)
	}
	if errors.Is(err, io.EOF) {
		b.left = 0
	}
	if b.left == 0 {
		_ = b.out.SetReadDeadline(time.Time{}) // else the request's context ends with it
	}
	return n, err
}
