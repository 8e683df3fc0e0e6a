package engine

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/time/rate"

	"stentor/engine/history"
	"stentor/engine/statefile"
)

// floors saves, over a restart, what histories know of pushes that they no longer have: in a file for each project. A node
// without a directory saves nothing. Its goroutine owns all but the directory.
type floors struct {
	dir   *statefile.Dir // nil: nothing is saved
	log   *slog.Logger
	saved map[*project]history.Stamp // what the files contain
	tell  rate.Sometimes             // of trouble
	over  chan struct{}              // closed when the last file is written
}

// openFloors opens the directory. A node without it only tells quiet subscriptions less after a restart, so no trouble with
// it keeps a node from its clients.
func openFloors(path string, log *slog.Logger) *floors {
	f := &floors{log: log, saved: map[*project]history.Stamp{}, tell: rate.Sometimes{First: 3, Interval: 10 * time.Minute}, over: make(chan struct{})}
	if path == "" {
		return f
	}
	dir, err := statefile.OpenDir(path)
	if err != nil {
		log.Warn("no state is kept: after a restart of this node, quiet subscriptions get resumed:false", "node.state_dir", path, "error", err)
		return f
	}
	f.dir = dir
	return f
}

// close releases the directory of a node that does not run.
func (f *floors) close() error {
	if f.dir == nil {
		return nil
	}
	return f.dir.Close()
}

// recall restores a project from its file. It is for projects that exist when the node starts: the file of a removed one is
// gone.
func (f *floors) recall(p *project, most int64) {
	if f.dir == nil {
		return
	}
	switch state, err := f.dir.Load(p.name, most); {
	case err != nil:
		f.log.Warn("a state file cannot be used: quiet subscriptions get resumed:false", "project", p.name, "file", f.dir.File(p.name), "error", err)
	case state != nil:
		p.history.Recall(state)
	}
}

// restored logs what became of it.
func (f *floors) restored(p *project, r history.Restored) {
	switch {
	case !r.Done:
	case r.Covered < r.Partitions:
		f.log.Info("the bus does not continue where the last run stopped reading: quiet subscriptions get resumed:false",
			"project", p.name, "partitions", r.Partitions, "of_these_known", r.Covered, "destinations", max(0, r.Floors))
	default:
		f.log.Debug("the state of the last run is in use", "project", p.name, "partitions", r.Partitions, "destinations", r.Floors)
	}
}

// How often the files are written, if anything has changed: six times in a history's window, within these bounds. A killed
// node loses nothing by that, unless the window is over when it starts again.
const (
	saveSoonest = time.Second
	saveLatest  = 30 * time.Second
	saveRest    = 20 // times as long as the last write took, so that the node is free for other work
)

// run writes the files now and then, and a last time when stop is closed.
func (f *floors) run(n *Node) {
	defer close(f.over)
	if f.dir == nil {
		return
	}
	defer f.dir.Close()
	every := min(max(n.opts.History.Window/6, saveSoonest), saveLatest)
	timer := time.NewTimer(every)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			began := time.Now()
			f.save(*n.tenants.Load())
			f.prune(n)
			timer.Reset(max(every, saveRest*time.Since(began)))
		case <-n.stop:
			f.save(*n.tenants.Load())
			return
		}
	}
}

// save writes the files of projects whose knowledge has changed.
func (f *floors) save(projects map[string]*project) {
	for p := range f.saved {
		if projects[p.name] != p {
			delete(f.saved, p)
		}
	}
	for name, p := range projects {
		now := p.history.Stamp()
		if now == f.saved[p] {
			continue
		}
		saved, err := f.dir.Save(name, p.history.Save)
		if err != nil {
			f.trouble("a state file cannot be written: if this node restarts, quiet subscriptions get resumed:false", err)
		}
		if saved && err == nil {
			f.saved[p] = now
		}
	}
}

// prune deletes the files of projects that the node does not serve. It does not do so at the start: a configuration that was
// wrong for a moment costs nothing.
func (f *floors) prune(n *Node) {
	if err := f.dir.Prune(func(name string) bool { return n.project(name) != nil }); err != nil {
		f.trouble("state files of removed projects cannot be deleted", err)
	}
}

func (f *floors) trouble(what string, err error) {
	f.tell.Do(func() { f.log.Warn(what, "error", err) })
}

// wait waits until the last files are written. A disk that hangs does not keep a node from ending.
func (f *floors) wait(ctx context.Context) {
	select {
	case <-f.over:
	case <-ctx.Done():
		f.log.Warn("the state files were not written within drain.timeout: quiet subscriptions may get resumed:false after the restart")
	}
}
