package config

import "stentor/engine/statefile"

const stateDir = "node.state_dir"

// StateDir returns node.state_dir, empty when no state is kept over a restart. The error is a Problems.
func (c *Config) StateDir() (string, error) {
	if c.Node.StateDir == "" || c.Bus != "kafka" {
		return "", nil
	}
	v := newValidator(c)
	name := c.File(c.Node.StateDir)
	if err := statefile.Check(name); err != nil {
		v.bad(stateDir, "found %q, which cannot be used: %v, allowed: a directory that the node may write to, of this node alone", c.Node.StateDir, err)
	}
	return name, v.problems.err()
}

// state warns of a directory that is not used.
func (w *warner) state() {
	if w.Node.StateDir != "" && w.Bus != "kafka" {
		w.warn(stateDir, "nothing is kept there: with the embedded bus the history is lost at a restart, better: bus: kafka, or no directory")
	}
}
