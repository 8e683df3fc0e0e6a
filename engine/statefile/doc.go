// Package statefile is the files in which a node keeps, for each project, what its history knows of pushes over a restart:
// which part of each partition the node has read, where the newest push to each destination stands that it has let go of, and
// where those stand that it still has. All of that is true of the bus and not of the node. What was pushed is not in it.
//
// A file is a head with the epoch, chains (one destination, or one user's, in one partition) in any order, a last record that
// says what was read of each partition, and a checksum of everything. Numbers are varints.
//
// A State answers one question: a node that begins to read each partition at a given place, which floors does it have? It has
// those of a node that has read on from the beginning and has let go of everything below that place.
package statefile
