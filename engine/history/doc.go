// Package history keeps the recent pushes of each project: every one encoded once, read by all shards.
//
// One Log belongs to one project. The bus's reader appends to it; shards hold references to its entries while their
// rounds need them. Three bounds hold: age and bytes of what is kept for late clients (older entries are evicted; the bytes
// count all that a Log holds, and a quarter of them is for the floors of destinations of which nothing is left), and the
// bytes that rounds still need (Pending), at which the bus stops feeding the project.
//
// Who comes back is given a Cursor, which holds places and no pushes. Each destination, user's destination and session's
// destination has a chain of its pushes in each partition, with numbers that count on. A cursor is a range of such
// numbers; one of a pattern, a range of the Log itself. All that looks at more than a chain's end or a binary search goes
// in steps of Looks: Resume, which says whether something may be gone, and Read, which copies what one write carries. The
// lock is held for a step.
package history
