// Package proc reads what Linux knows of another process and of its sockets: CPU time, resident memory, socket
// memory, and what machine this is. It needs no right but to see that process.
package proc
