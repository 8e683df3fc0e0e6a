package xhr

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"time"

	"stentor/engine/sockjs"
)

// receive makes the request the receiver of its session, which it opens if there is none.
func (x *exchange) receive(k key) {
	if x.r.ContentLength != 0 && !x.skip() {
		return
	}
	r := newReceiver(x.conn)
	one, instead := x.join(k, r)
	if one == nil {
		return
	}
	x.came()
	x.came = func() {}
	if instead == nil {
		x.vouch(one)
	}
	f := framings[x.target.Transport]
	x.w.Header().Set("Content-Type", f.contentType)
	x.w.Header().Set("X-Accel-Buffering", "no") // nginx
	switch {
	case instead != nil:
		_, _ = x.w.Write(f.append([]byte(f.prelude), instead, true))
	case x.target.Transport == sockjs.XHR:
		x.poll(one, r)
	default:
		x.stream(one, r, f)
	}
}

// needless is how long the body of a request that receives may be. Nobody needs it.
const needless = 1 << 10

// skip reads such a body, and reports false when it is too long, which its client was told.
func (x *exchange) skip() bool {
	switch n, err := io.Copy(io.Discard, io.LimitReader(x.r.Body, needless+1)); {
	case err != nil: // the client is gone, or too slow
		x.conn.Abort()
		panic(http.ErrAbortHandler)
	case n > needless:
		x.refuse(bodied)
		return false
	}
	return true
}

// join attaches r to its session. When that cannot be, its client gets something instead; when there is no session, it was told
// why.
func (x *exchange) join(k key, r *receiver) (one *Session, instead []byte) {
	if one = x.all.find(k); one != nil {
		return one, one.attach(r)
	}
	host := x.all.conf.Host
	a, refused := host.Admit(&x.request, x.conn.Peer())
	if refused == nil {
		refused = host.Enter(a.Address)
	}
	if refused != nil {
		x.refuse(refused)
		return nil, nil
	}
	one, added := x.all.add(k, a, x.target.Transport, r)
	if !added {
		host.Withdraw(a.Address)
		return one, one.attach(r)
	}
	return one, nil
}

// framing is how the lines of a session travel.
type framing struct {
	contentType string
	prelude     string // of browsers that show nothing before they have so much
	head, tail  string // of each line; its line feed is left out where there is a tail
}

var framings = map[string]framing{
	sockjs.XHR:          {contentType: "application/javascript; charset=UTF-8", tail: "\n"},
	sockjs.XHRStreaming: {contentType: "application/javascript; charset=UTF-8", prelude: strings.Repeat("h", 2048) + "\n", tail: "\n"},
	sockjs.EventSource:  {contentType: "text/event-stream; charset=UTF-8", prelude: "\r\n", head: "data: ", tail: "\r\n\r\n"},
}

// append appends lines, of which the first begins in p where begins says so, and the last may not end.
func (f framing) append(dst, p []byte, begins bool) []byte {
	if f.head == "" && f.tail == "\n" {
		return append(dst, p...)
	}
	for len(p) > 0 {
		if begins {
			dst = append(dst, f.head...)
		}
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			return append(dst, p...)
		}
		dst = append(append(dst, p[:end]...), f.tail...)
		p, begins = p[end+1:], true
	}
	return dst
}

// frame is append for all that was taken, which it may return as it is.
func (f framing) frame(p []byte, begins bool) []byte {
	if f.head == "" && f.tail == "\n" {
		return p
	}
	return f.append(nil, p, begins)
}

// poll answers with what the session has, or will have.
func (x *exchange) poll(one *Session, r *receiver) {
	control := http.NewResponseController(x.w)
	_ = control.SetReadDeadline(time.Time{}) // net/http reads on, to see that the client goes away
	for wrote := false; ; {
		p, whole, over := one.take(r)
		_ = control.SetWriteDeadline(time.Now().Add(x.all.conf.AnswerTime))
		if len(p) > 0 {
			_, err := x.w.Write(p)
			if wrote = true; err == nil {
				err = control.Flush() // what has not left must not count as received
			}
			if err != nil {
				break
			}
		}
		if wrote && whole || over {
			if !wrote {
				_, _ = x.w.Write(one.last())
			}
			one.leave(r) // before the end of the answer, after which the client polls again
			return
		}
		if len(p) > 0 {
			continue
		}
		select {
		case <-r.wake:
			continue
		case <-x.r.Context().Done():
		case <-r.conn.Gone():
		case <-x.all.stop:
		}
		break
	}
	one.interrupt(r)
	panic(http.ErrAbortHandler)
}
