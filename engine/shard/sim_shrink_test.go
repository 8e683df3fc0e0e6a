package shard

import (
	"reflect"
	"slices"
	"time"
)

// shrinker shortens a failing schedule for as long as it fails with the same kind of failure.
type shrinker struct {
	best *schedule
	kind string
	end  time.Time
}

// shrink returns the shortest schedule found that fails as s did.
func (s *schedule) shrink(out *played, limit time.Duration) *schedule {
	k := &shrinker{best: s, kind: out.kind, end: time.Now().Add(limit)}
	if out.at < len(s.ops) {
		k.try(&schedule{s.world, s.ops[:out.at+1]})
	}
	k.dropIdle(out)
	for before := -1; before != len(k.best.ops) && !k.late(); {
		before = len(k.best.ops)
		k.dropOps()
		k.simplify()
	}
	return k.best
}

func (k *shrinker) late() bool { return time.Now().After(k.end) }

// try adopts candidate as the best when it fails as well.
func (k *shrinker) try(candidate *schedule) bool {
	if k.late() || candidate.world.check() != nil {
		return false
	}
	out := candidate.play()
	if out.err == nil || out.kind != k.kind {
		return false
	}
	if out.at < len(candidate.ops) {
		candidate = &schedule{candidate.world, candidate.ops[:out.at+1]}
	}
	k.best = candidate
	return true
}

// without returns the best without the operations from i up to j. Their time passes before the next operation, if it is to be
// kept.
func (k *shrinker) without(drop func(i int) bool, keepTime bool) *schedule {
	s := &schedule{world: k.best.world}
	passed := simDuration(0)
	for i, o := range k.best.ops {
		if drop(i) {
			passed += o.After
			continue
		}
		if keepTime {
			o.After += passed
		}
		passed = 0
		s.ops = append(s.ops, o)
	}
	return s
}

// dropIdle drops operations that had no effect.
func (k *shrinker) dropIdle(out *played) {
	k.try(k.without(func(i int) bool { return i < len(out.applied) && !out.applied[i] }, true))
}

// dropOps drops operations: many at once first, single ones in the end.
func (k *shrinker) dropOps() {
	for size := max(1, len(k.best.ops)/2); !k.late(); size = (size + 1) / 2 {
		for i := len(k.best.ops); i > 0; {
			first := max(0, i-size)
			drop := func(n int) bool { return n >= first && n < i }
			if !k.try(k.without(drop, true)) {
				k.try(k.without(drop, false))
			}
			i = min(first, len(k.best.ops))
		}
		if size == 1 {
			return
		}
	}
}

// simplify makes fields of the world and of operations zero, or else smaller.
func (k *shrinker) simplify() {
	k.simplifyFields(func(s *schedule) reflect.Value { return reflect.ValueOf(&s.world).Elem() })
	for i := len(k.best.ops) - 1; i >= 0 && !k.late(); i-- {
		k.simplifyFields(func(s *schedule) reflect.Value {
			if i >= len(s.ops) {
				return reflect.ValueOf(&op{}).Elem() // it has become shorter
			}
			return reflect.ValueOf(&s.ops[i]).Elem()
		})
	}
}

func (k *shrinker) simplifyFields(of func(*schedule) reflect.Value) {
	for f := range of(k.best).NumField() {
		with := func(change func(reflect.Value)) bool {
			s := &schedule{k.best.world, slices.Clone(k.best.ops)}
			change(of(s).Field(f))
			return k.try(s)
		}
		field := of(k.best).Field(f)
		switch {
		case field.IsZero() || of(k.best).Type().Field(f).Name == "Do":
		case with(func(v reflect.Value) { v.SetZero() }):
		case field.CanInt() && field.Int() > 1:
			if !with(func(v reflect.Value) { v.SetInt(1) }) {
				for of(k.best).Field(f).Int() > 1 && with(func(v reflect.Value) { v.SetInt(v.Int() / 2) }) {
				}
			}
		case field.CanUint() && field.Uint() > 9:
			for n := range uint64(5) {
				if with(func(v reflect.Value) { v.SetUint(n + 1) }) {
					break
				}
			}
		}
	}
}
