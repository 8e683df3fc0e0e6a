package shard

import (
	"cmp"
	"strings"
	"unsafe"

	"github.com/gobwas/ws"

	"stentor/engine/refusal"
	"stentor/engine/session"
	"stentor/engine/websocket"
)

// refuse tells the node why a client is refused, while its project is still known: a client that has left it has none. The
// subject is what the frame was about.
func (s *Shard) refuse(c *Conn, why refusal.Reason, code ws.StatusCode, text string) {
	s.refuseAbout(c, why, code, text, "")
}

// refuseAbout is refuse with the subject. An empty one stands, in a turn of c, for the subject of its frame.
func (s *Shard) refuseAbout(c *Conn, why refusal.Reason, code ws.StatusCode, text, subject string) {
	r := refusal.Record{Reason: why, Code: int(code), Address: c.addrPort(), Text: text, Subject: subject}
	switch {
	case c.project != nil:
		r.Project, r.User = c.project.settings.Name, c.user
		if d, ok := s.machine.Frame.Get("destination"); ok && s.turn == c && subject == "" {
			r.Subject = unsafe.String(unsafe.SliceData(d), len(d)) // only for the call
		}
	case c.hello != nil:
		r.Project, r.User = c.hello.Named, c.user
	}
	s.env.Refused(r)
}

// refuseHandshake is refuse for a handshake, whose answer is written.
func (s *Shard) refuseHandshake(c *Conn, r refusal.Record) {
	if !r.Address.IsValid() {
		r.Address = c.addrPort()
	}
	no := s.machine.Refused
	r.Reason, r.Code, r.Text = no.Reason, no.Status, no.Text
	s.stats.Refused.Add(1)
	s.env.Refused(r)
}

// expel closes c for a reason, with a close frame and without an ERROR.
func (s *Shard) expel(c *Conn, why refusal.Reason, text string) {
	if c.sess.Phase == session.Closing {
		return
	}
	code := ws.StatusCode(why.Code())
	s.refuse(c, why, code, text)
	s.end(c, code, text)
}

// cut closes c for a reason, where no close frame can follow what was written.
func (s *Shard) cut(c *Conn, why refusal.Reason, text string) {
	s.refuse(c, why, 0, text)
	s.env.Close(c.socket, why)
}

// logged is what the log says of a failure.
func logged(f *session.Failure) string { return cmp.Or(f.Cause, f.Text) }

// requested is what the log says that a refused request was for.
func requested(r *websocket.Request, why refusal.Reason) string {
	switch why {
	case refusal.Path:
		return plainPath(r.Path)
	case refusal.Origin:
		return r.Origin
	}
	return ""
}

// plainPath is a path cut before what may be an escaped query, which may have a token in it.
func plainPath(path string) string {
	if i := strings.IndexAny(path, "%;=&"); i >= 0 {
		return path[:i]
	}
	return path
}
