package xhr

import (
	"bytes"
	"net/http"
	"strconv"
	"time"
)

// stream answers with what the session has as it comes, in one response that ends when it has carried enough. The connection is
// taken from net/http, whose buffers and stack are then free; a goroutine of its own waits for the session.
func (x *exchange) stream(one *Session, r *receiver, f framing) {
	v := &stream{all: x.all, one: one, r: r, f: f, left: x.all.conf.StreamBytes, chunked: x.r.ProtoAtLeast(1, 1)}
	v.head = x.streamHead(v.chunked)
	if _, ok := x.hijack(); !ok {
		one.interrupt(r)
		return
	}
	x.conn.Deafen()
	go v.run()
}

func (x *exchange) streamHead(chunked bool) []byte {
	h := x.w.Header()
	h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	h.Set("Connection", "close")
	if chunked {
		h.Set("Transfer-Encoding", "chunked")
	}
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 200 OK\r\n")
	_ = h.Write(&b)
	b.WriteString("\r\n")
	return b.Bytes()
}

// stream is a response under way.
type stream struct {
	all     *Sessions
	one     *Session
	r       *receiver
	f       framing
	head    []byte
	left    int  // bytes that it may carry yet
	cut     bool // what was written ends within a line
	chunked bool // HTTP/1.0 ends with the connection
}

func (v *stream) run() {
	conn := v.r.conn
	defer func() {
		if reason := recover(); reason != nil {
			v.all.conf.Host.Panicked("sockjs stream", reason)
			v.one.interrupt(v.r)
		}
		v.all.server.release(conn)
		_ = conn.Close()
	}()
	if !v.write(v.chunk(v.head, []byte(v.f.prelude))) {
		return
	}
	v.head = nil
	vouched := false
	for {
		p, whole, over := v.one.take(v.r)
		if len(p) > 0 && !v.write(v.chunk(nil, v.f.frame(p, !v.cut))) {
			return
		}
		v.left -= len(p)
		if v.cut = !whole; whole && (over && len(p) == 0 || !over && v.left <= 0) {
			v.one.leave(v.r)
			if v.chunked {
				_, _ = conn.Write([]byte("0\r\n\r\n"))
			}
			return
		}
		if len(p) > 0 {
			continue
		}
		select {
		case <-v.r.wake:
		case <-conn.Gone():
			v.one.interrupt(v.r)
			return
		case <-v.all.stop:
			return
		}
		if !vouched && v.one.known.Load() {
			vouched = v.all.server.vouch(conn, v.one)
		}
	}
}

// write writes p, and reports whether the client took it.
func (v *stream) write(p []byte) bool {
	_ = v.r.conn.SetWriteDeadline(time.Now().Add(v.all.conf.AnswerTime))
	if _, err := v.r.conn.Write(p); err != nil {
		v.one.interrupt(v.r)
		return false
	}
	return true
}

// chunk appends p as a chunk.
func (v *stream) chunk(dst, p []byte) []byte {
	if !v.chunked || len(p) == 0 {
		return append(dst, p...)
	}
	dst = strconv.AppendInt(dst, int64(len(p)), 16)
	dst = append(dst, "\r\n"...)
	dst = append(dst, p...)
	return append(dst, "\r\n"...)
}
