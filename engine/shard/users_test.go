package shard

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// Sessions of many users come and go; each user's chain must have exactly theirs.
func TestUserTable(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	r := newRig(t)
	s := r.s
	projects := []*project{{tenant: &tenant{settings: &Settings{Name: "a"}}}, {tenant: &tenant{settings: &Settings{Name: "b"}}}}
	type key struct {
		project int
		user    string
	}
	model := map[key][]uint32{}
	var all []key
	check := func(k key) {
		var chain []uint32
		prev := uint32(0)
		for at := s.sessionsOf(projects[k.project], k.user); at != 0; at = s.conns.at(at).userNext {
			if c := s.conns.at(at); c.userPrev != prev {
				t.Fatalf("session %d of %v has %d before it, not %d", at, k, c.userPrev, prev)
			}
			chain = append(chain, at)
			prev = at
		}
		want := slices.Sorted(slices.Values(model[k]))
		if slices.Sort(chain); !slices.Equal(chain, want) {
			t.Fatalf("%v has the sessions %v, not %v", k, chain, want)
		}
	}
	for step := range 40_000 {
		k := key{rng.IntN(2), fmt.Sprint("user", rng.IntN(400))}
		if have := model[k]; rng.IntN(5) < 2 && len(have) > 0 {
			i := rng.IntN(len(have))
			c := s.conns.at(have[i])
			s.forgetUser(c)
			*c = Conn{}
			s.conns.release(have[i])
			model[k] = slices.Delete(have, i, i+1)
		} else if rng.IntN(len(have)+2) < 2 {
			idx := s.conns.take()
			c := s.conns.at(idx)
			*c = Conn{idx: idx, project: projects[k.project], user: k.user}
			s.rememberUser(c)
			model[k] = append(have, idx)
			all = append(all, k)
		}
		check(k)
		check(all[rng.IntN(len(all))])
		if step%1000 == 0 {
			used := 0
			for _, have := range model {
				if len(have) > 0 {
					used++
				}
			}
			if got := s.users.count(); got != used {
				t.Fatalf("%d users are counted, %d there", got, used)
			}
		}
	}
	for k, have := range model {
		for _, idx := range have {
			s.forgetUser(s.conns.at(idx))
		}
		model[k] = nil
		check(k)
	}
	for _, part := range s.users.parts {
		if part.used != 0 || slices.ContainsFunc(part.slots, func(idx uint32) bool { return idx != 0 }) {
			t.Errorf("%d users are left in %v", part.used, part.slots)
		}
	}
}

// However many users there are, no insertion moves many of them: each part has a small share.
func TestUserTableGrowsInParts(t *testing.T) {
	r := newRig(t)
	p := &project{tenant: &tenant{settings: &Settings{Name: "a"}}}
	const users = 100_000
	for i := range users {
		idx := r.s.conns.take()
		c := r.s.conns.at(idx)
		*c = Conn{idx: idx, project: p, user: fmt.Sprint("user", i)}
		r.s.rememberUser(c)
	}
	for i, part := range r.s.users.parts {
		if len(part.slots) > 8*users/userParts {
			t.Errorf("part %d has %d slots for %d users", i, len(part.slots), part.used)
		}
	}
}

// A session without a user is in no chain.
func TestAnonymous(t *testing.T) {
	r := newRig(t)
	k := r.connect("")
	if r.s.users.count() != 0 {
		t.Error("a session without a user is in the table")
	}
	r.close(k)
}

// count is how many users the table has.
func (t *userTable) count() (n int) {
	for i := range t.parts {
		n += t.parts[i].used
	}
	return n
}
