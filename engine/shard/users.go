package shard

import (
	"hash/maphash"
)

// userTable finds a user's sessions: an open-addressed table from hash(project, user) to the user's first session;
// the sessions of a user are chained through Conn.userNext. It holds 4 bytes a slot and no key: the key is in the
// session. A map of groups would cost 280 bytes a user.
type userTable struct {
	seed  maphash.Seed
	slots []uint32 // connection numbers; 0 free
	used  int
}

func (s *Shard) userHash(p *project, user string) uint64 {
	if s.users.slots == nil {
		s.users.seed = maphash.MakeSeed()
		s.users.slots = make([]uint32, 64)
	}
	var h maphash.Hash
	h.SetSeed(s.users.seed)
	h.WriteString(p.settings.Name)
	h.WriteByte(0)
	h.WriteString(user)
	return h.Sum64()
}

// slotOf is where the first session of user is, or the free slot where it belongs.
func (s *Shard) slotOf(p *project, user string) int {
	mask := uint64(len(s.users.slots) - 1)
	for i := s.userHash(p, user) & mask; ; i = (i + 1) & mask {
		idx := s.users.slots[i]
		if idx == 0 {
			return int(i)
		}
		if c := s.conns.at(idx); c.project == p && c.user == user {
			return int(i)
		}
	}
}

// sessionsOf is the number of the first session of user, 0 for none.
func (s *Shard) sessionsOf(p *project, user string) uint32 {
	if s.users.used == 0 {
		return 0
	}
	return s.users.slots[s.slotOf(p, user)]
}

func (s *Shard) rememberUser(c *Conn) {
	if c.user == "" {
		return
	}
	s.userHash(c.project, "") // makes the table
	if (s.users.used+1)*4 > len(s.users.slots)*3 {
		s.growUsers()
	}
	slot := &s.users.slots[s.slotOf(c.project, c.user)]
	if *slot == 0 {
		s.users.used++
	} else {
		s.conns.at(*slot).userPrev = c.idx
	}
	c.userNext, *slot = *slot, c.idx
}

func (s *Shard) growUsers() {
	old := s.users.slots
	s.users.slots = make([]uint32, 2*len(old))
	for _, idx := range old {
		if idx != 0 {
			c := s.conns.at(idx)
			s.users.slots[s.slotOf(c.project, c.user)] = idx
		}
	}
}

func (s *Shard) forgetUser(c *Conn) {
	if c.user == "" {
		return
	}
	if c.project.unicast.at == c.idx {
		c.project.unicast.at = c.userNext
	}
	if c.userNext != 0 {
		s.conns.at(c.userNext).userPrev = c.userPrev
	}
	switch {
	case c.userPrev != 0:
		s.conns.at(c.userPrev).userNext = c.userNext
	case c.userNext != 0:
		s.users.slots[s.slotOf(c.project, c.user)] = c.userNext
	default:
		s.clearSlot(s.slotOf(c.project, c.user))
	}
	c.userNext, c.userPrev = 0, 0
}

// clearSlot frees a slot and moves those behind it that would no longer be found.
func (s *Shard) clearSlot(i int) {
	slots := s.users.slots
	mask := len(slots) - 1
	slots[i] = 0
	s.users.used--
	for j := (i + 1) & mask; slots[j] != 0; j = (j + 1) & mask {
		c := s.conns.at(slots[j])
		home := int(s.userHash(c.project, c.user) & uint64(mask))
		if (j-home)&mask >= (j-i)&mask {
			slots[i], slots[j] = slots[j], 0
			i = j
		}
	}
}
