package history

import (
	"testing"

	"stentor/engine/bus"
)

// After a step back the places that were lost are taken again by other pushes: a position among them may be of either
// life, and is never answered as if nothing were missing.
func TestPositionsOfTheLifeBefore(t *testing.T) {
	l := newLog()
	l.Begin(at(1, 0, 0))
	for i := range int64(10) {
		l.Append(push(at(1, 0, i), ""), 0)
	}
	l.Begin(at(1, 0, 5)) // 5 to 9 are lost
	for i := int64(5); i < 20; i++ {
		l.Append(push(at(1, 0, i), ""), 0)
	}
	for offset, want := range map[int64]bool{3: false, 5: false, 7: false, 9: false, 10: true, 15: true, 19: true} {
		missed, complete := l.Since(Wanted{Chain: "/topic/a"}, []bus.Position{at(1, 0, offset)}, map[int32]bus.Position{0: at(1, 0, 19)})
		if complete != want || complete && len(missed) != int(19-offset) {
			t.Errorf("since %d: %d pushes, complete %t", offset, len(missed), complete)
		}
	}
}
