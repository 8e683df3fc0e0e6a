// Package baseline is what a push server is measured against: a process that holds as many loopback connections and
// only writes the same bytes to each of them with write(2), one socket after the other, from as many threads as there
// are cores. Its CPU time per write is that of the kernel; what a server needs above that is its own.
//
// Serve is that process. Process starts and drives it from another one, through its standard input and output: one
// JSON object a line each way, a command's frames as bare bytes behind its line.
package baseline
