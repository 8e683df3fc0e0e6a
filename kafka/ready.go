package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Ready returns nil once the node has read, for each project that it can read, everything that existed at its start. It stays
// nil: later trouble affects all nodes alike, and so is no reason to send clients to another one.
func (b *Bus) Ready() error {
	if why := b.unready.Load(); why != nil {
		return *why
	}
	return nil
}

// Serves implements bus.Bus. A project that was served once stays served, for the same reason as in Ready.
func (b *Bus) Serves(project string) error {
	l := (*b.watcher.lives.Load())[project]
	switch {
	case l == nil:
		return fmt.Errorf("kafka: %w", errNotFound)
	case l.served.Load():
		return nil
	}
	return fmt.Errorf("kafka: %w", l.why())
}

// status is what this node's beats tell the other nodes. A node that still says that it is behind is no better one for them.
func (b *Bus) status() (ready bool, late time.Duration) {
	late = b.reader.lateness()
	if b.lagging.Load() != nil {
		late = max(late, b.opts.Lateness)
	}
	return b.Ready() == nil, late
}

// Behind returns why clients should go to another node: see late.
func (b *Bus) Behind() error {
	if why := b.lagging.Load(); why != nil {
		return *why
	}
	return nil
}

// noticeEvery is how old the results of Ready and Behind may be.
const noticeEvery = 20 * time.Millisecond

// notice logs the changes of what Ready, Serves and Behind return, and then makes them, until ctx ends.
func (b *Bus) notice(ctx context.Context) {
	for ctx.Err() == nil {
		projects := b.watcher.projects()
		b.noticeServed(projects)
		if b.unready.Load() != nil {
			b.noticeReady(projects)
		}
		b.noticeLate(time.Now())
		pause(ctx, noticeEvery)
	}
}

// noticeServed marks the projects of which everything has been read that existed at the start.
func (b *Bus) noticeServed(projects []wanted) {
	for _, p := range projects {
		if !p.life.served.Load() && p.life.caughtUp() {
			if b.unready.Load() == nil {
				b.opts.Log.Info("the project is served: everything that there was has been read", "project", p.Project)
			}
			p.life.served.Store(true)
		}
	}
}

// noticeReady updates what Ready returns until that is nil.
func (b *Bus) noticeReady(projects []wanted) {
	why := b.starting(projects)
	if why != nil {
		why = fmt.Errorf("kafka: %s", oneLine(why))
		b.unready.Store(&why)
		return
	}
	b.start.waits = nil
	b.opts.Log.Info("all pushes from before the start have been read")
	for _, p := range projects {
		if !p.life.served.Load() {
			b.opts.Log.Error("the node is ready, but it does not serve this project", "project", p.Project, "error", p.life.why())
		}
	}
	b.unready.Store(nil)
}

// starting returns why the node is not ready, nil when it is.
func (b *Bus) starting(projects []wanted) error {
	away := b.refusedBy()
	if away == nil && !b.looked.Load() {
		away = errUnasked
	}
	why := b.start.look(time.Now(), projects, away)
	if away == nil && !b.presence.clear.Load() {
		return errors.New(*b.presence.trouble.Load())
	}
	return why
}

var errUnasked = errors.New("the brokers have not answered yet")

func (b *Bus) noticeLate(now time.Time) {
	why := b.late(now)
	switch before := b.lagging.Load(); {
	case why == nil && before != nil:
		b.opts.Log.Warn("this node is no longer further behind than the others")
		b.lagging.Store(nil)
	case why != nil:
		if before == nil {
			b.opts.Log.Warn("this node is behind in reading pushes and another one is not: it is not ready", "error", why)
		}
		b.lagging.Store(&why)
	}
}

// late returns why this node is behind, nil when it is not. A node is behind when it reads later than Options.Lateness while
// another node is known to read less than half of that late. Once behind, it stays so until it is below half of the bound.
// Trouble common to all nodes makes none of them behind: what another one said before this node noticed that it is late, it may
// have said before the trouble. So never are all nodes behind, in whatever order their beats come.
func (b *Bus) late(now time.Time) error {
	bound := b.opts.Lateness
	if bound == 0 {
		return nil
	}
	limit, late := bound, b.reader.lateness()
	if b.lagging.Load() != nil {
		limit = bound / 2
	}
	if late <= limit {
		b.lateSince = time.Time{}
		return nil
	}
	if b.lateSince.IsZero() {
		b.lateSince = now
	}
	node, better := b.opts.Directory.Better(bound/2, min(silence, now.Sub(b.lateSince)), now)
	if !better {
		return nil
	}
	return fmt.Errorf("kafka: this node is %s behind in reading pushes, and node %s is not", late.Round(time.Second), node)
}
