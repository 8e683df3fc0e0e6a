package engine

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"stentor/engine/history"
)

// However many loops count at once, no user has more sessions than one may have, and nothing is kept of who has none.
func TestUsersCountOverLoops(t *testing.T) {
	const most, names, loops = 5, 300, 8
	u := newUsers(most)
	project := history.NewLog(history.Bounds{})
	var joined [names]atomic.Int32
	var wg sync.WaitGroup
	for range loops {
		wg.Go(func() {
			for range most {
				for i := range names {
					if u.join(project, fmt.Sprint("user", i)) {
						joined[i].Add(1)
					}
				}
			}
		})
	}
	wg.Wait()
	for i := range names {
		if n := joined[i].Load(); n != most {
			t.Fatalf("user %d has %d sessions, not %d", i, n, most)
		}
	}
	if !u.join(history.NewLog(history.Bounds{}), "user0") {
		t.Error("another project's user counts as the same")
	}
	for range most {
		for i := range names {
			u.leave(project, fmt.Sprint("user", i))
		}
	}
	left := 0
	for i := range u.parts {
		left += len(u.parts[i].sessions)
	}
	if left != 1 {
		t.Errorf("%d users are kept, 1 has a session", left)
	}
}

// Without a limit nobody is counted, and clients without a user never are.
func TestUsersWithoutALimit(t *testing.T) {
	project := history.NewLog(history.Bounds{})
	for _, c := range []struct {
		most int
		name string
	}{{0, "ann"}, {1, ""}} {
		u := newUsers(c.most)
		for range 3 {
			if !u.join(project, c.name) {
				t.Errorf("%+v: a session is refused", c)
			}
		}
		for i := range u.parts {
			if u.parts[i].sessions != nil {
				t.Errorf("%+v: something is counted", c)
			}
		}
	}
}
