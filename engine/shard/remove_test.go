package shard

import (
	"testing"
	"time"

	"stentor/engine/history"
	"stentor/engine/refusal"
	"stentor/engine/websocket"
	"stentor/stomp"
)

// The sessions of a project that is no longer served are closed in steps, between which others are served. One that comes
// back under its name meanwhile is another, and loses none of its own.
func TestRemoveProjectInSteps(t *testing.T) {
	const sessions, cost = 2000, 10_000 // ns of a write
	r := newRig(t)
	for _, k := range r.fill(sessions, "/topic/a", sameID) {
		k.cost = cost
	}
	r.s.RemoveProject(rigProject)
	r.s.SetProject(r.settings)
	k := r.connect("ann")
	k.subscribe("/topic/a", "1")
	slices, writes := 0, 0
	for more := true; more; slices++ {
		begun, left := r.now, r.s.stats.Sessions.Load()
		r.push("/topic/a", 10)
		more = r.s.Run()
		if took := r.now - begun; took > slice/8+2*cost {
			t.Fatalf("a slice of the removal took %d ns", took)
		}
		if now := r.s.stats.Sessions.Load(); now == left && now > 1 {
			t.Fatalf("a slice closed nobody, %d are left", now)
		}
		if k.writes == writes {
			t.Fatal("a slice brought nothing to those who came since")
		}
		writes = k.writes
	}
	if least := sessions * cost / slice; slices < least {
		t.Errorf("%d slices, at least %d were expected", slices, least)
	}
	if n := r.s.stats.Sessions.Load(); n != 1 || k.conn.project != r.s.projects[rigProject] {
		t.Errorf("%d sessions are left", n)
	}
	gone := 0
	for _, one := range r.refusals {
		if one.Reason == refusal.ProjectGone && one.Project == rigProject {
			gone++
		}
	}
	if gone != sessions {
		t.Errorf("%d were told that the project is gone, %d had a session", gone, sessions)
	}
}

// A node knows of a project that was removed and added again before its loops do. Who comes in between is not counted for the
// one and taken off the other: the place would never be free again.
func TestJoinBetweenTwoLives(t *testing.T) {
	r := newRig(t)
	old, now := r.settings, *r.settings
	now.History = history.NewLog(history.Bounds{Window: time.Hour, Bytes: 1 << 30})
	r.connect("ann")
	r.settings = &now // what the node says
	k := r.open()
	r.s.Input(k.conn, websocket.AppendRequest(nil, "host", "/ws", "dGhlIHNhbXBsZSBub25jZQ=="))
	k.send(stomp.Connect, "accept-version", "1.2", "user", "bob")
	r.s.RemoveProject(rigProject)
	r.s.SetProject(&now)
	for r.s.Run() {
	}
	bob := r.connect("bob")
	if bob.conn.project.settings.History != now.History {
		t.Error("a session that came later is not of the new project")
	}
	r.s.Gone(bob.conn)
	for _, h := range []*history.Log{old.History, now.History} {
		if n := r.joined[h]; n != 0 {
			t.Errorf("%d sessions are counted of a project that has none", n)
		}
	}
}

// Busy looks at some of the detached subscriptions in a step, and finds one of many that could be given something.
func TestBusyInSteps(t *testing.T) {
	const sessions = 5000
	r := newRig(t)
	all := r.fill(sessions, "/topic/a", sameID)
	for _, k := range all {
		k.buffered = 1
	}
	r.push("/topic/a", 10)
	r.run()
	steps := func() (n int, busy bool) {
		for next := uint32(0); ; {
			n++
			if busy, next = r.s.Busy(next); busy || next == 0 {
				return n, busy
			}
		}
	}
	for _, k := range all {
		k.looks = 0
	}
	n, busy := steps()
	if busy || n < 3 {
		t.Errorf("%d steps, busy: %t", n, busy)
	}
	for i, k := range all {
		if k.looks != 1 {
			t.Fatalf("%d looks at the socket of session %d", k.looks, i)
		}
	}
	for _, i := range []int{0, sessions / 2, sessions - 1} {
		all[i].buffered = 0
		if n, busy := steps(); !busy {
			t.Errorf("session %d can be given something: %d steps, not busy", i, n)
		}
		all[i].buffered = 1
	}
}
