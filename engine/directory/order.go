package directory

import "time"

// A sealed beat can be copied and written to the topic again. What bounds the use of that:
//
//   - Beats of a node have an order: by the place of the instance's first beat in the topic, which is sealed, then by sent_ms. A
//     beat is followed only if it is newer than every one before it. So nobody is taken back to an older beat, or kept alive
//     by copies, while the node is remembered, which is at least 20 minutes after its last beat.
//   - A beat is of no use when its own time is more than 10 minutes away from the reader's clock. So a reader that has just
//     started, or has forgotten the node, cannot be told of a node that went longer ago than that.
//   - The first beats of an instance do not know their place yet and so have no order: they are not followed at all.
//
// So a copy helps only to present a node that went within 10 minutes, to a reader that started since.
const maxSkew = 10 * time.Minute

// newer reports whether b is newer than what is known of the node.
func (e *entry) newer(b *Beat) bool {
	if b.First != e.beat.First {
		return b.First > e.beat.First
	}
	return b.Instance == e.beat.Instance && b.Sent > e.beat.Sent
}

// timely reports whether a beat was made recently by this host's clock.
func (b *Beat) timely(now time.Time) bool {
	apart := now.UnixMilli() - b.At
	return apart <= maxSkew.Milliseconds() && apart >= -maxSkew.Milliseconds()
}
