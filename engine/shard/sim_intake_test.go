package shard

import (
	"maps"
	"slices"

	"stentor/engine/bus"
	"stentor/engine/history"
)

// intake bounds how much a shard has taken of what it was handed, without looking into the shard: all of it was taken when Run
// returns that nothing is left. In between the shard may have taken any part: a task that was posted after pushes overtakes those
// that wait for their project's turn.
type intake struct {
	handed places // where it is when all was taken
	sure   places // where it is at least
	may    [][]int
	waits  bool // a push, perhaps
	held   bool // and the shard may not have handled it
}

// places are positions by project and partition.
type places []map[int]bus.Position

func (p places) clone() places {
	all := make(places, len(p))
	for i := range p {
		all[i] = maps.Clone(p[i])
	}
	return all
}

func newIntake(projects int) *intake {
	in := &intake{handed: make(places, projects), sure: make(places, projects), may: make([][]int, projects)}
	for i := range projects {
		in.handed[i], in.sure[i] = map[int]bus.Position{}, map[int]bus.Position{}
	}
	return in
}

// hand notes that the shard was told that it is at pos of a project's partition.
func (in *intake) hand(t *simTopic, pos bus.Position) {
	i, part := t.number, int(pos.Partition)
	old, known := in.handed[i][part]
	if !known || old.Epoch == pos.Epoch && pos.Offset <= old.Offset {
		return // the project was removed, or was there already
	}
	in.handed[i][part] = pos
	in.reach(t, pos)
}

// begin notes that the shard was told where a partition begins.
func (in *intake) begin(t *simTopic, pos bus.Position) {
	maps.DeleteFunc(in.handed[t.number], func(_ int, old bus.Position) bool { return old.Epoch != pos.Epoch })
	pos.Offset--
	in.handed[t.number][int(pos.Partition)] = pos
	in.reach(t, pos)
}

func (in *intake) reach(t *simTopic, pos bus.Position) {
	for len(in.may[t.number]) <= int(pos.Partition) {
		in.may[t.number] = append(in.may[t.number], 0)
	}
	at := &in.may[t.number][pos.Partition]
	*at = max(*at, t.past(pos))
}

// took notes that the shard has taken everything.
func (in *intake) took(w *world) {
	in.waits = false
	in.sure = in.handed.clone()
	for i, t := range w.topics {
		clear(in.may[i])
		for _, pos := range in.handed[i] {
			in.reach(t, pos)
		}
	}
}

// least is, by partition, the place of the first push that the shard may not have taken.
func (sh *simShard) least(t *simTopic) []int {
	all := make([]int, len(t.parts))
	for part := range all {
		if pos, known := sh.intake.sure[t.number][part]; known {
			all[part] = t.past(pos)
		}
	}
	return all
}

// most is, by partition, the place of the first push that the shard cannot have taken.
func (sh *simShard) most(t *simTopic) []int {
	all := sh.least(t)
	for part, at := range sh.intake.may[t.number] {
		all[part] = max(all[part], at)
	}
	return all
}

// post makes the shard run a task after all that it was handed; change is the effect of the task.
func (sh *simShard) post(change func(*intake), task func()) {
	if change != nil {
		change(sh.intake)
	}
	after := sh.intake.handed.clone()
	sh.shard.Post(func() {
		sh.tasking = true
		defer func() { sh.tasking = false }()
		if task(); sh.intake.waits {
			sh.intake.back(after)
		} else {
			sh.intake.sure = after
		}
	})
}

// back withdraws what a shard is certain to have, when it was told to go back before that.
func (in *intake) back(to places) {
	for i, sure := range in.sure {
		maps.DeleteFunc(sure, func(part int, at bus.Position) bool {
			pos, known := to[i][part]
			return !known || pos.Epoch != at.Epoch || pos.Offset < at.Offset
		})
	}
}

// simRead is a push that a node has read into its history.
type simRead struct {
	entry *history.Entry // nil for one that had expired
	at    int64
	sum   int64 // of what was read before it, as history may count it
}

// entryBytes is an upper bound of what history counts for a push beside its text, which is rounded up.
const entryBytes = 2048

// Upper bounds of what history counts after eviction, for each destination and for each push to a user.
const (
	floorBytes  = 512
	reportBytes = 96
)

// floorBytes is an upper bound of what history counts for all destinations of the topic.
func (t *simTopic) floorBytes() int64 { return int64(len(t.keys) * len(t.parts) * floorBytes) }

// mayForget reports whether the node's history may have evicted the push at index of a partition.
func (p *simProject) mayForget(now int64, world *profile, part, index int) bool {
	i := index - p.begin[part]
	if i < 0 || i >= len(p.reads[part]) {
		return true
	}
	r := p.reads[part][i]
	return r.entry != nil && world.tight() && (now-r.at >= int64(world.HistoryTime) || p.sum-r.sum+p.topic.floorBytes()+p.reports*reportBytes > world.HistoryBytes)
}

// keep notes that the node's history was given e.
func (p *simProject) keep(part int, e *history.Entry, record *bus.Record, now int64) {
	p.reads[part] = append(p.reads[part], simRead{e, now, p.sum})
	if e == nil {
		return
	}
	if record.User != "" || record.Session != "" {
		p.reports++
	}
	size := len(record.Body)
	for _, h := range record.Headers {
		size += 2 * (len(h.Name) + len(h.Value))
	}
	p.sum += int64(size+size/6) + entryBytes
}

// all returns the entries of everything that was read from the partition.
func entriesOf(reads []simRead) (all []*history.Entry) {
	for _, r := range reads {
		if r.entry != nil {
			all = append(all, r.entry)
		}
	}
	return slices.Clip(all)
}
