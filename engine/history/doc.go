// Package history keeps the recent pushes of each project: each encoded once, read by all shards.
//
// One Log belongs to one project. The bus's reader appends to it; shards hold references to its entries while their
// rounds need them. Three bounds hold: age and bytes of what is kept for late clients (older entries are evicted; the bytes
// count all that a Log holds, and a quarter of them is for the floors of destinations of which nothing is left), and the
// bytes that rounds still need (Pending), at which the bus stops feeding the project.
//
// A client that resumes has a Cursor, which holds places and no pushes. Each destination, user's destination and session's
// destination has a chain of its pushes in each partition, with numbers that count on. A cursor is a range of such
// numbers; one of a pattern, a range of the Log itself. Everything that examines more than a chain's end or a binary search is done
// in steps of Looks: Resume, which says whether something may be missing, and Read, which copies the content of one write. The
// lock is held for one step.
package history
