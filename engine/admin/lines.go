package admin

import (
	"errors"
	"io"
	"net/http"
)

// leadingEnds is how many bytes of line ends may precede a request: one empty line, as RFC 9112 section 2.2 has it, or two.
// net/http skips as much behind a POST that was sent with it at once, and answers 400 otherwise.
const leadingEnds = 4

// Read implements net.Conn. It skips empty lines before a request.
func (c *conn) Read(p []byte) (n int, err error) {
	for {
		n, err = c.Conn.Read(p)
		if err != nil && c.unshaken(err) {
			return 0, io.EOF
		}
		left := c.ends.Load()
		if left == 0 || n == 0 {
			c.pass(p[:n])
			return n, err
		}
		skip := 0
		for skip < n && skip < int(left) && (p[skip] == '\r' || p[skip] == '\n') {
			skip++
		}
		if n > skip {
			c.ends.Store(0)
			n = copy(p, p[skip:n])
			c.pass(p[:n])
			return n, err
		}
		if c.ends.Store(left - int32(skip)); err != nil {
			return 0, err
		}
	}
}

// pass remembers the end of what net/http is given.
func (c *conn) pass(b []byte) {
	last := c.passed.Load()
	for _, one := range b[max(0, len(b)-4):] {
		last = last<<8 | uint32(one)
	}
	c.passed.Store(last)
}

// emptyLine reports whether net/http was given an empty line last.
func (c *conn) emptyLine() bool {
	last := c.passed.Load()
	return last&0xffff == '\n'<<8|'\n' || last&0xffffff == '\n'<<16|'\r'<<8|'\n'
}

// skipping serves requests with h. Once a request has been read whole, empty lines are skipped until the next one begins.
// StateIdle would be too late: it comes after the answer, and until then net/http waits for a byte of what comes next. Behind
// a request without a body, net/http may already have the next one up to somewhere in its head: then nothing is skipped.
func skipping(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch c := connOf(r.Context()); {
		case r.Body != http.NoBody:
			r.Body = &skippingBody{r.Body, c}
		case c.emptyLine():
			c.ends.Store(leadingEnds)
		}
		h.ServeHTTP(w, r)
	})
}

// skippingBody is the body of a request, behind which empty lines are skipped.
type skippingBody struct {
	io.ReadCloser
	conn *conn
}

// Read implements io.Reader.
func (b *skippingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		b.conn.ends.Store(leadingEnds)
	}
	return n, err
}
