package fake

import (
	"bytes"
	"net"
	"testing"

	"github.com/gobwas/ws/wsutil"
)

// Who resumes from a position that this server has still to read gets what comes after it, once.
func TestResumesAhead(t *testing.T) {
	const topic = "/topic/a"
	s := &Server{sessions: map[*session]bool{}}
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	c := &session{server: s, conn: near, ids: map[string]string{}, seen: map[string]int{}}
	s.sessions[c] = true
	s.Push(topic, []byte("one"))
	go func() {
		c.subscribe(topic, "0", "r", "1-0-000003")
		for _, body := range []string{"two", "three", "four"} {
			s.Push(topic, []byte(body))
		}
	}()
	for _, want := range []string{"position:1-0-000003", "four"} {
		if got, err := wsutil.ReadServerText(far); err != nil || !bytes.Contains(got, []byte(want)) {
			t.Fatalf("%q, %v, want %s", got, err, want)
		}
	}
}
