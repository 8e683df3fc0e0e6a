// Package history keeps the recent pushes of each project: every one encoded once, read by all shards.
//
// One Log belongs to one project. The bus's reader appends to it; shards hold references to its entries while their
// rounds need them, and ask it for what a resuming client has missed. Three bounds hold: age and bytes of what is
// kept for late clients (older entries are evicted), and the bytes that rounds still need (Pending), at which the bus
// stops feeding the project.
package history
