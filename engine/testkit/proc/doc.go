// Package proc reads what Linux knows about another process and its sockets: CPU time, resident memory, socket memory. It
// also describes this machine. It needs no privileges other than to see that process.
package proc
