package auth

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
)

func from(project string, host byte) *job {
	return &job{named: project, source: netip.AddrFrom4([4]byte{10, 0, 0, host})}
}

// want adds a job and wants to see that one gives way.
func (q *queue) want(t *testing.T, j, refused *job) {
	t.Helper()
	if got, err := q.put(j); got != refused || got != nil && err != errBusy {
		t.Fatalf("%s from %s: %+v gives way (%v), want %+v", j.named, j.source, got, err, refused)
	}
}

// Whoever shows many tokens makes his own wait, not those of another project or another address.
func TestTokensTakeTurns(t *testing.T) {
	q := newQueue(1000)
	for range 300 {
		q.put(from("a", 1))
	}
	other, project := from("a", 2), from("b", 1)
	q.put(other)
	q.put(project)
	for place, want := range []*job{nil, project, other} {
		if got := q.take(); want != nil && got != want {
			t.Errorf("at place %d: %s from %s", place, got.named, got.source)
		}
	}
	if q.len() != 299 {
		t.Errorf("%d are left", q.len())
	}
}

// A full queue refuses those who have the most in it, and keeps room for all others.
func TestFullQueueRefusesTheGreedy(t *testing.T) {
	q := newQueue(100)
	var first *job
	for range 100 {
		j := from("a", 1)
		if first == nil {
			first = j
		}
		q.want(t, j, nil)
	}
	greedy := from("a", 1)
	q.want(t, greedy, greedy)
	q.want(t, from("b", 1), first) // another project
	for i := range byte(48) {      // other addresses
		j := from("a", 2+i)
		if got, _ := q.put(j); got == nil || got == j || got.source != first.source {
			t.Fatalf("%+v gives way to another address", got)
		}
	}
	greedy = from("a", 1)
	q.want(t, greedy, greedy)
	if n := q.projects["b"].n; n != 1 || q.len() != 100 {
		t.Errorf("project b has %d of %d", n, q.len())
	}
	q = newQueue(100)
	for i := range byte(100) {
		q.want(t, from("a", i), nil)
	}
	late := from("a", 200)
	q.want(t, late, late) // nobody has more
	if got, _ := q.put(from("b", 1)); got == nil || got.named != "a" {
		t.Errorf("%+v gives way to another project", got)
	}
}

func TestQueueLosesNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, limit := range []int{1, 2, 30} {
		q := newQueue(limit)
		in := map[*job]bool{}
		out := func(j *job) {
			if j == nil || !in[j] {
				t.Fatalf("%+v comes out", j)
			}
			delete(in, j)
		}
		for range 20_000 {
			if rng.IntN(5) < 3 || q.len() == 0 {
				j := from(fmt.Sprint(rng.IntN(3)), byte(rng.IntN(1+rng.IntN(8))))
				in[j] = true
				if refused, _ := q.put(j); refused != nil {
					out(refused)
				}
			} else {
				out(q.take())
			}
			lines := 0
			for _, c := range q.projects {
				lines += c.turn.Len()
				if len(c.lines) != c.turn.Len() {
					t.Fatalf("%d lines, %d take turns", len(c.lines), c.turn.Len())
				}
			}
			if q.len() != len(in) || q.len() > limit || lines > q.len() || q.turn.Len() != len(q.projects) {
				t.Fatalf("%d of %d wait in %d lines of %d projects, want %d", q.len(), limit, lines, q.turn.Len(), len(in))
			}
		}
		q.close()
		for len(in) > 0 {
			out(q.take())
		}
		if q.take() != nil || len(q.projects) != 0 {
			t.Error("something is left")
		}
	}
}

// TestBadTokensOfAProjectCostAnotherNothing: its clients are answered while 100,000 others show tokens that are no good.
func TestBadTokensOfAProjectCostAnotherNothing(t *testing.T) {
	good, bad := newHMAC(), newHMAC()
	a, _ := newAuthenticator(t, Options{Workers: 1, Queue: 500},
		mustProject(t, ProjectConfig{Name: "a", Keys: []Key{good.key("k")}}), mustProject(t, ProjectConfig{Name: "b", Keys: []Key{good.key("k")}}))
	token := bad.sign(t, "k", `{}`)
	refused := make(chan *Error, 1)
	for i := range 100 {
		for range 1000 {
			a.Authenticate(Credentials{Project: "a", Token: token}, func(_ Identity, err *Error) {
				if err.Code != CodeUnavailable && err != errSignature {
					select {
					case refused <- err:
					default:
					}
				}
			})
		}
		who := Credentials{Project: "b", Token: good.sign(t, "k", fmt.Sprintf(`{"sub":"%d"}`, i))}
		if _, err, cached := authenticate(t, a, who); err != nil || cached {
			t.Fatalf("client %d of the other project: %v", i, err)
		}
	}
	select {
	case err := <-refused:
		t.Error(err)
	default:
	}
	if a.Stats().Busy == 0 {
		t.Error("the queue was never full")
	}
}

// BenchmarkQueue is a full queue with many projects, asked for room.
func BenchmarkQueue(b *testing.B) {
	q := newQueue(10_000)
	for i := range 10_000 {
		q.put(from(fmt.Sprint(i%500), byte(i)))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		q.put(from("0", byte(i)))
	}
}
