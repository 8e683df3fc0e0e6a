package engine

import (
	"testing"
	"time"

	"stentor/engine/refusal"
	"stentor/engine/shard"
)

// A session of a project that was removed does not leave the one of the same name that came after it.
func TestLeaveOfARemovedProject(t *testing.T) {
	n, stop := startNode(t, nil)
	defer stop()
	conf := Project{Auth: n.project("shop").settings.Load().Rights.(*rights).project, Name: "shop", SlowTimeout: time.Minute, Connections: 1}
	n.SetProjects([]Project{conf})
	e := &env{node: n.Node}
	old := n.project("shop").settings.Load()
	join := func(s *shard.Settings) bool { return e.Join(s, "") == refusal.None }
	if !join(old) || join(old) {
		t.Fatal("not one session")
	}
	n.SetProjects([]Project{conf}) // the same: the session stands
	if join(n.project("shop").settings.Load()) {
		t.Error("a reload made room")
	}
	n.SetProjects(nil)
	n.SetProjects([]Project{conf})
	again := n.project("shop").settings.Load()
	if e.Join(old, "") != refusal.ProjectGone {
		t.Error("a session joins a project that was removed")
	}
	e.Leave(old, "")
	if !join(again) || join(again) {
		t.Error("the limit is not one session any more")
	}
	e.Leave(again, "")
}

// A reload that brings another limit begins with a full bucket; one that changes nothing gives nothing back.
func TestPushesPerSecondOverReloads(t *testing.T) {
	var p project
	now := time.Now() // stands still, so that nothing is refilled
	for i, c := range []struct {
		limit float64
		taken int // before the first that is refused
	}{{0, 1000}, {5, 5}, {5, 0}, {7, 7}, {0, 1000}, {3, 3}} {
		p.configure(Project{PushesPerSecond: c.limit, Name: "p"})
		taken := 0
		for taken < 1000 && p.pushes.Load().AllowN(now, 1) {
			taken++
		}
		if taken != c.taken {
			t.Errorf("%d: %d pushes, want %d", i, taken, c.taken)
		}
	}
}
