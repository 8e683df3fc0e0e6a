package bus

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// local is a node's side of the bus. Deliver of different projects runs at the same time, and is guarded as a node
// guards it: project by project.
type local struct {
	projects map[string]*tenant
	begins   map[string]Position
	admit    func(project string, size int) error // optional
	deliver  func(r *Record)                      // optional
}

type tenant struct {
	busy  atomic.Bool
	seen  []string // what was delivered, by push id or body
	known sync.Map // push id to Position
	all   []Position
}

func newLocal(projects ...string) *local {
	l := &local{projects: map[string]*tenant{}, begins: map[string]Position{}}
	for _, name := range projects {
		l.projects[name] = &tenant{}
	}
	return l
}

func (l *local) Prepare(*Record) {}

func (l *local) Admit(project string, size int) error {
	if l.projects[project] == nil {
		return ErrUnknownProject
	}
	if l.admit != nil {
		return l.admit(project, size)
	}
	return nil
}

func (l *local) Begin(project string, pos Position) { l.begins[project] = pos }
func (l *local) Advance(string, Position)           {}
func (l *local) Full(string) bool                   { return false }
func (l *local) Flush()                             {}

// embedded is a bus that serves all of l's projects.
func embedded(l *local, epoch uint64) *Embedded {
	b := NewEmbedded(l, epoch)
	var topics []Topic
	for name := range l.projects {
		topics = append(topics, Topic{Project: name})
	}
	b.SetProjects(topics)
	return b
}

func (l *local) Deliver(pos Position, r *Record) (Position, Taken) {
	p := l.projects[r.Project]
	if !p.busy.CompareAndSwap(false, true) {
		panic("two records of a project at a time")
	}
	defer p.busy.Store(false)
	if l.deliver != nil {
		l.deliver(r)
	}
	if r.ID != "" {
		if first, again := p.known.LoadOrStore(r.ID, pos); again {
			return first.(Position), nil
		}
	}
	p.seen = append(p.seen, string(r.Body))
	p.all = append(p.all, pos)
	return pos, nil
}

// publish makes b take r, whose answer it returns.
func publish(t *testing.T, b *Embedded, r *Record) (pos Position, err error) {
	t.Helper()
	calls := 0
	b.Publish(r, func(p Position, e error) { pos, err, calls = p, e, calls+1 })
	if calls != 1 {
		t.Errorf("done was called %d times", calls)
	}
	return pos, err
}

func TestEmbeddedCounts(t *testing.T) {
	l := newLocal("a", "b")
	b := embedded(l, 77)
	if begin := l.begins["a"]; begin != (Position{Epoch: 77}) {
		t.Errorf("begins at %v", begin)
	}
	for i, project := range []string{"a", "a", "b", "a", "b"} {
		want := Position{Epoch: 77, Offset: int64(len(l.projects[project].all))}
		if pos, err := publish(t, b, &Record{Project: project, Body: fmt.Append(nil, i)}); pos != want || err != nil {
			t.Errorf("%d: %v, %v, want %v", i, pos, err, want)
		}
	}
	if got, want := l.projects["a"].seen, []string{"0", "1", "3"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// TestEmbeddedOrder has many back ends publish at once: a project's records arrive one at a time and without a gap,
// those of one back end in its order, and each back end learns the right position.
func TestEmbeddedOrder(t *testing.T) {
	const writers, each = 8, 300
	l := newLocal("a", "b", "c")
	b := embedded(l, 1)
	var wg sync.WaitGroup
	answers := make([]map[string]Position, writers)
	for w := range writers {
		answers[w] = map[string]Position{}
		wg.Go(func() {
			for i := range each {
				project := []string{"a", "b", "c"}[(w+i)%3]
				name := fmt.Sprintf("%d/%04d", w, i)
				pos, err := publish(t, b, &Record{Project: project, Body: []byte(name)})
				if err != nil {
					t.Error(err)
				}
				answers[w][project+" "+name] = pos
			}
		})
	}
	wg.Wait()
	total := 0
	for project, p := range l.projects {
		total += len(p.seen)
		last := map[byte]string{}
		for i, name := range p.seen {
			if want := (Position{Epoch: 1, Offset: int64(i)}); p.all[i] != want || answers[name[0]-'0'][project+" "+name] != want {
				t.Fatalf("%s: %s at %v, answered %v, want %v", project, name, p.all[i], answers[name[0]-'0'][project+" "+name], want)
			}
			if name <= last[name[0]] {
				t.Fatalf("%s: %s behind %s", project, name, last[name[0]])
			}
			last[name[0]] = name
		}
	}
	if total != writers*each {
		t.Errorf("%d delivered", total)
	}
}

// TestEmbeddedPushID has the same ids come from several back ends at once.
func TestEmbeddedPushID(t *testing.T) {
	const writers, ids = 8, 100
	l := newLocal("a", "b")
	b := embedded(l, 1)
	answers := make([]map[string]Position, writers)
	var wg sync.WaitGroup
	for w := range writers {
		answers[w] = map[string]Position{}
		wg.Go(func() {
			for i := range ids {
				id := fmt.Sprint((i + w*13) % ids)
				for _, project := range []string{"a", "b"} {
					pos, err := publish(t, b, &Record{Project: project, ID: id, Body: []byte(id)})
					if err != nil {
						t.Error(err)
					}
					answers[w][project+id] = pos
				}
			}
		})
	}
	wg.Wait()
	for project, p := range l.projects {
		if len(p.seen) != ids {
			t.Errorf("%s: %d deliveries of %d ids", project, len(p.seen), ids)
		}
	}
	for w := range answers {
		if !maps.Equal(answers[w], answers[0]) {
			t.Errorf("back end %d was answered otherwise", w)
		}
	}
	// A record without an id is never the same as another.
	for range 2 {
		_, _ = publish(t, b, &Record{Project: "a", Body: []byte("x")})
	}
	if n := len(l.projects["a"].seen); n != ids+2 {
		t.Errorf("%d deliveries", n)
	}
}

// TestEmbeddedRefuses: what is not admitted takes no position, and is told why.
func TestEmbeddedRefuses(t *testing.T) {
	l := newLocal("a")
	size := 0
	var answer error
	l.admit = func(_ string, n int) error {
		size = n
		return answer
	}
	b := embedded(l, 1)
	if _, err := publish(t, b, &Record{Project: "nobody"}); !errors.Is(err, ErrUnknownProject) {
		t.Errorf("unknown project: %v", err)
	}
	answer = ErrBusy
	if pos, err := publish(t, b, &Record{Project: "a", ID: "1", Body: make([]byte, 12)}); !errors.Is(err, ErrBusy) || pos != (Position{}) || size != 12 {
		t.Errorf("%v, %v, asked for %d", pos, err, size)
	}
	answer = nil
	if pos, err := publish(t, b, &Record{Project: "a", ID: "1"}); err != nil || pos.Offset != 0 {
		t.Errorf("a second try: %v, %v", pos, err)
	}
	found := 0
	b.topics.Range(func(any, any) bool { found++; return true })
	if found != 1 {
		t.Errorf("%d topics: a refused record leaves something", found)
	}
}

// TestEmbeddedSinkPanics: one record that its sink cannot take does not stop those behind it.
func TestEmbeddedSinkPanics(t *testing.T) {
	l := newLocal("a")
	l.deliver = func(r *Record) {
		if string(r.Body) == "bad" {
			panic("bad")
		}
	}
	b := embedded(l, 1)
	func() {
		defer func() { _ = recover() }()
		b.Publish(&Record{Project: "a", Body: []byte("bad")}, func(Position, error) {})
	}()
	if _, err := publish(t, b, &Record{Project: "a", Body: []byte("good")}); err != nil {
		t.Error(err)
	}
	_ = b.Close(t.Context())
}

func TestEmbeddedClose(t *testing.T) {
	l := newLocal("a")
	entered, release := make(chan struct{}), make(chan struct{})
	var delivered, closed atomic.Bool
	l.deliver = func(*Record) {
		close(entered)
		<-release
		for range 100 {
			runtime.Gosched() // a Close that does not wait would return now
		}
		if closed.Load() {
			t.Error("Close has returned while a record was being delivered")
		}
		delivered.Store(true)
	}
	b := embedded(l, 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := publish(t, b, &Record{Project: "a"}); err != nil {
			t.Error(err)
		}
	})
	<-entered
	wg.Go(func() {
		_ = b.Close(t.Context())
		closed.Store(true)
		if !delivered.Load() {
			t.Error("Close did not wait")
		}
	})
	close(release)
	wg.Wait()

	l.admit = func(string, int) error {
		t.Error("a closed bus asks")
		return nil
	}
	if pos, err := publish(t, b, &Record{Project: "a"}); !errors.Is(err, ErrClosed) || pos != (Position{}) {
		t.Errorf("%v, %v", pos, err)
	}
	_ = b.Close(t.Context())
	if n := len(l.projects["a"].seen); n != 1 {
		t.Errorf("%d deliveries", n)
	}
}
