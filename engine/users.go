package engine

import (
	"hash/maphash"
	"sync"

	"stentor/engine/history"
)

// users counts the sessions of each user on all loops, where they have a limit; without one it counts nothing. It has an
// entry of some 50 bytes for each user with a session. Every loop uses it: its parts keep them from waiting for each other.
type users struct {
	most  int32 // sessions of a user; 0 unlimited
	seed  maphash.Seed
	parts [64]struct {
		mu       sync.Mutex
		sessions map[user]int32
	}
}

// user is one of a project, which is identified by its history: a project that was removed and added again is a different
// one.
type user struct {
	project *history.Log
	name    string
}

func newUsers(most int) *users {
	return &users{most: int32(most), seed: maphash.MakeSeed()}
}

// join counts a session, and reports false when the user already has as many as allowed. Clients without a name have no
// limit.
func (u *users) join(project *history.Log, name string) bool {
	if u.most == 0 || name == "" {
		return true
	}
	who := user{project, name}
	part := &u.parts[maphash.Comparable(u.seed, who)%uint64(len(u.parts))]
	part.mu.Lock()
	defer part.mu.Unlock()
	n := part.sessions[who]
	if n >= u.most {
		return false
	}
	if part.sessions == nil {
		part.sessions = map[user]int32{}
	}
	part.sessions[who] = n + 1
	return true
}

// leave undoes join for a session.
func (u *users) leave(project *history.Log, name string) {
	if u.most == 0 || name == "" {
		return
	}
	who := user{project, name}
	part := &u.parts[maphash.Comparable(u.seed, who)%uint64(len(u.parts))]
	part.mu.Lock()
	defer part.mu.Unlock()
	if n := part.sessions[who]; n > 1 {
		part.sessions[who] = n - 1
	} else {
		delete(part.sessions, who)
	}
}
