package shard

import (
	"bytes"
	"regexp"
	"testing"
	"time"

	"stentor/engine/history"
)

var (
	droppedLine = regexp.MustCompile(`\ndropped:(\d+)\n`)
	messageID   = regexp.MustCompile(`\nmessage-id:(\S+)\n`)
)

// fallBehind has a client resume over 100 pushes while it does not read, has history let go of the first 60, and returns
// what it is given when it reads on.
func fallBehind(t *testing.T, policy Policy, dest string, push func(*rig) *history.Entry) (r *rig, given []byte, pushes []*history.Entry) {
	r = newRig(t, func(s *Settings) { s.Slow = policy })
	for n := range 100 {
		r.now = int64(n) * int64(time.Second)
		e := push(r)
		e.Report = &history.Report{}
		pushes = append(pushes, e)
	}
	r.run()
	k := r.connect("ann")
	k.buffered = 1
	k.keep = true
	k.subscribe(dest, "sub-0", "last-message-id", "1-0-x")
	r.run()
	r.settings.History.EvictOlder(int64(time.Hour) + int64(59*time.Second) + 1)
	k.buffered, k.kept = 0, nil
	for range 100 {
		r.tick()
	}
	return r, k.kept, pushes
}

// A client that falls out of history while it resumes is told of exactly what it has lost.
func TestResumeFallsBehind(t *testing.T) {
	topic := func(r *rig) *history.Entry { return r.push("/topic/a", 10) }
	user := func(r *rig) *history.Entry { return r.pushUser("ann", "/queue/x", 10) }
	for _, c := range []struct {
		name    string
		policy  Policy
		dest    string
		push    func(*rig) *history.Entry
		dropped string
		given   int
	}{
		{"topic", DropOldest, "/topic/a", topic, "60", 40},
		{"user", DropOldest, "/user/queue/x", user, "60", 40},
		{"pattern", DropOldest, "/topic/*", topic, "1", 40}, // one destination, as far as is known
		{"topic, the latest", KeepLatest, "/topic/a", topic, "99", 1},
		{"user, the latest", KeepLatest, "/user/queue/x", user, "99", 1},
		{"pattern, the latest", KeepLatest, "/topic/*", topic, "40", 1},
		{"topic, no mercy", Disconnect, "/topic/a", topic, "", 0},
		{"user, no mercy", Disconnect, "/user/queue/x", user, "", 0},
		{"pattern, no mercy", Disconnect, "/topic/*", topic, "", 0},
	} {
		r, given, pushes := fallBehind(t, c.policy, c.dest, c.push)
		dropped := ""
		if all := droppedLine.FindAllSubmatch(given, -1); len(all) == 1 {
			dropped = string(all[0][1])
		} else if len(all) > 1 {
			t.Errorf("%s: told %d times", c.name, len(all))
		}
		ids := messageID.FindAllSubmatch(given, -1)
		if dropped != c.dropped || len(ids) != c.given {
			t.Errorf("%s: dropped:%s (%d counted), %d pushes", c.name, dropped, r.s.stats.Dropped.Load(), len(ids))
		}
		for i, id := range ids {
			if want := pushes[100-c.given+i].Position.String(); string(id[1]) != want {
				t.Fatalf("%s: push %s instead of %s", c.name, id[1], want)
			}
		}
		if closed := bytes.Contains(given, []byte("too slowly")); closed != (c.policy == Disconnect) {
			t.Errorf("%s: closed %v", c.name, closed)
		}
		for n, e := range pushes {
			if at := e.Report; at.Matched.Load() != at.Written.Load()+at.Dropped.Load() || c.given > 0 && n == 99 && at.Written.Load() != 1 {
				t.Errorf("%s: push %d: %d matched, %d written, %d dropped", c.name, n, at.Matched.Load(), at.Written.Load(), at.Dropped.Load())
			}
		}
	}
}
