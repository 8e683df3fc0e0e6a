package shard

import "stentor/engine/refusal"

// removal is a project that is no longer served. Its sessions are closed in steps: closing half a million takes seconds. It
// can no longer be found by its name: a project that is added under the same name meanwhile is another one.
type removal struct {
	p    *project
	slot uint32 // where the next session may be
}

// RemoveProject ends the service of a project. From now on Run closes its sessions.
func (s *Shard) RemoveProject(name string) {
	delete(s.tenants, name)
	s.counts.Delete(name)
	p := s.projects[name]
	if p == nil {
		return
	}
	delete(s.projects, name)
	s.routeAll(p)
	s.removals.Push(&removal{p: p, slot: 1})
}

// removeSome closes sessions of projects that are no longer served, until the deadline, and reports whether some are left.
func (s *Shard) removeSome(deadline int64) (more bool) {
	for s.removals.Len() > 0 {
		if s.closeAll(s.removals.At(0), deadline) {
			return true
		}
		s.removals.Pop()
	}
	return false
}

func (s *Shard) closeAll(r *removal, deadline int64) (more bool) {
	for looks := 1; r.slot <= s.conns.used && r.p.counts.sessions.Load() > 0; looks++ {
		c := s.conns.at(r.slot)
		r.slot++
		closes := c.state == stateOpen && c.project == r.p
		if closes {
			s.doing = doing{conn: c}
			s.expel(c, refusal.ProjectGone, "the project is no longer served here")
			s.doing = doing{}
		}
		if (closes || looks%64 == 0) && s.clock() >= deadline {
			return true
		}
	}
	return false
}
