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

// user is one of a project, which its history stands for: one that was removed and added again is another.
type user struct {
	project *history.Log
	name    string
}

func newUsers(most int) *users {
	return &users{most: int32(most), seed: maphash.MakeSeed()}
}

// join counts a session, and reports false when the user has as many as one may have. Clients without a name have no limit.
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

// leave counts a session that join counted no longer.
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
