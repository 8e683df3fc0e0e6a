// Package baseline is the yardstick for a push server: a process with as many loopback connections that only writes the same
// bytes to each with write(2), one socket after the other, from one thread per core. Its CPU time per write is the kernel's;
// a server's time beyond that is its own.
//
// Serve is that process. Process starts and drives it from another one, through its standard input and output: one
// JSON object a line each way, a command's frames as bare bytes behind its line.
package baseline
