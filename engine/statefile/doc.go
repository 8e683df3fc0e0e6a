// Package statefile reads and writes the files that keep, for each project, what a node's history knows of pushes over a
// restart: which part of each partition the node has read, the position of the newest evicted push of each destination, and
// the positions of the pushes that it still has. All of that is true of the bus and not of the node. The pushes themselves
// are not in the files.
//
// A file is a head with the epoch, chains (one destination, or one user's, in one partition) in any order, a last record that
// says what was read of each partition, and a checksum of everything. Numbers are varints.
//
// A State answers one question: a node that begins to read each partition at a given place, which floors does it have? It
// has those of a node that has read from the beginning and has evicted everything below that place.
package statefile
