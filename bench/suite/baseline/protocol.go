package baseline

import "time"

// greeting is the first line that the process prints.
type greeting struct {
	Address string `json:"address"`
}

// Call is how the process makes its system call.
type Call uint8

const (
	// Wrapped is unix.Write, as in any Go program: it notifies the Go scheduler before and after. On a busy machine the
	// scheduler takes the thread's processor (P) away meanwhile and has to return it, which costs some 20%.
	Wrapped Call = iota
	// Raw is the bare instruction, as a C program writes.
	Raw
)

// command is one line of the process's input. Either Accept is set: accept that many more connections; or Frames is:
// Frames*Size bytes follow, frames of Size bytes each, and every frame is to be written to every connection.
type command struct {
	Accept int  `json:"accept,omitempty"`
	Frames int  `json:"frames,omitempty"`
	Size   int  `json:"size,omitempty"`
	Call   Call `json:"call,omitempty"`
}

// answer is the line that answers a command.
type answer struct {
	Error string `json:"error,omitempty"`
	Burst
}

// Burst is the cost of writing some frames to all connections.
type Burst struct {
	Writes int           `json:"writes"` // frames times connections
	CPU    time.Duration `json:"cpu_ns"` // user + system, by getrusage(2)
	Wall   time.Duration `json:"wall_ns"`
	Stalls int           `json:"stalls"` // how often a socket's buffer was full and had to be waited for
}
