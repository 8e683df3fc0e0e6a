package shard

import (
	"hash/maphash"
)

// userTable finds a user's sessions: open-addressed tables from hash(project, user) to the user's first session; the
// sessions of a user are chained through Conn.userNext. It holds 4 bytes a slot and no key: the key is in the session. A
// map of groups would cost 280 bytes a user.
//
// It has parts that grow each on its own: growing all slots of a million users at once would take the loop a quarter of a
// second.
type userTable struct {
	seed  maphash.Seed
	parts [userParts]userPart // by the upper bits of the hash
}

type userPart struct {
	slots []uint32 // connection numbers, a power of two of them; 0 free
	used  int
}

const (
	userPartBits = 8
	userParts    = 1 << userPartBits
)

// userPart is the part where user belongs, and the hash.
func (s *Shard) userPart(p *project, user string) (part *userPart, hash uint64) {
	var h maphash.Hash
	h.SetSeed(s.users.seed)
	h.WriteString(p.settings.Name)
	h.WriteByte(0)
	h.WriteString(user)
	hash = h.Sum64()
	return &s.users.parts[hash>>(64-userPartBits)], hash
}

// slot is where the first session of user is, or the free slot where it belongs. The part must have slots.
func (part *userPart) slot(s *Shard, hash uint64, p *project, user string) int {
	mask := uint64(len(part.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		idx := part.slots[i]
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
	part, hash := s.userPart(p, user)
	if part.used == 0 {
		return 0
	}
	return part.slots[part.slot(s, hash, p, user)]
}

func (s *Shard) rememberUser(c *Conn) {
	if c.user == "" {
		return
	}
	part, hash := s.userPart(c.project, c.user)
	if (part.used+1)*4 > len(part.slots)*3 {
		part.grow(s)
	}
	slot := &part.slots[part.slot(s, hash, c.project, c.user)]
	if *slot == 0 {
		part.used++
	} else {
		s.conns.at(*slot).userPrev = c.idx
	}
	c.userNext, *slot = *slot, c.idx
}

func (part *userPart) grow(s *Shard) {
	old := part.slots
	part.slots = make([]uint32, max(8, 2*len(old)))
	for _, idx := range old {
		if idx != 0 {
			c := s.conns.at(idx)
			_, hash := s.userPart(c.project, c.user)
			part.slots[part.slot(s, hash, c.project, c.user)] = idx
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
	if c.userPrev != 0 {
		s.conns.at(c.userPrev).userNext = c.userNext
	} else {
		part, hash := s.userPart(c.project, c.user)
		slot := part.slot(s, hash, c.project, c.user)
		if part.slots[slot] = c.userNext; c.userNext == 0 {
			part.clear(s, slot)
		}
	}
	c.userNext, c.userPrev = 0, 0
}

// clear moves the entries behind a freed slot that would no longer be found.
func (part *userPart) clear(s *Shard, i int) {
	slots := part.slots
	mask := len(slots) - 1
	part.used--
	for j := (i + 1) & mask; slots[j] != 0; j = (j + 1) & mask {
		c := s.conns.at(slots[j])
		_, hash := s.userPart(c.project, c.user)
		home := int(hash & uint64(mask))
		if (j-home)&mask >= (j-i)&mask {
			slots[i], slots[j] = slots[j], 0
			i = j
		}
	}
}
