package certs

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"time"
)

// TicketKey seals the tickets with which clients resume.
type TicketKey = [32]byte

const (
	maxTicketKeys = 8
	ticketKeyForm = "a key a line, 64 hexadecimal digits each (openssl rand -hex 32)"
	// ticketAge is how old the file may be before the log says so: whoever has a key can read what clients of TLS 1.2 sent under
	// its tickets.
	ticketAge = 7 * 24 * time.Hour
)

// ParseTicketKeys reads a file of ticket keys: one a line, in hexadecimal; empty lines and those that begin with # do not count.
// The first one seals new tickets, all of them open tickets.
func ParseTicketKeys(text []byte) ([]TicketKey, error) {
	var keys []TicketKey
	for i, line := range bytes.Split(text, []byte("\n")) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		var key TicketKey
		if n, err := hex.Decode(key[:], line[:min(len(line), 2*len(key))]); err != nil || n != len(key) || len(line) != 2*len(key) {
			return nil, fmt.Errorf("line %d is not a key, allowed: %s", i+1, ticketKeyForm)
		}
		if slices.Contains(keys, key) {
			return nil, fmt.Errorf("line %d repeats a key", i+1)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 || len(keys) > maxTicketKeys {
		return nil, fmt.Errorf("found %d keys, allowed: 1 to %d, %s", len(keys), maxTicketKeys, ticketKeyForm)
	}
	return keys, nil
}

// tickets reads the keys; none when there is no file for them.
func (c *Certs) tickets(files contents) ([]TicketKey, error) {
	if c.opts.TicketKeys == "" {
		return nil, nil
	}
	keys, err := ParseTicketKeys(files[c.opts.TicketKeys])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.opts.TicketKeys, err)
	}
	return keys, nil
}

// adopt takes over new keys.
func (c *Certs) adopt(keys []TicketKey) {
	if len(keys) == 0 {
		return
	}
	if before := c.keys; len(before) > 0 && !slices.Contains(before, keys[0]) {
		c.opts.Log.Warn("the first ticket key was not in the file before: nodes that have not read the file yet make full handshakes for its tickets",
			"file", c.opts.TicketKeys, "better", "add a new key as the second one, and make it the first when all nodes have read it")
	}
	c.keys = keys
	c.gated.SetSessionTicketKeys(keys)
	c.open.SetSessionTicketKeys(keys)
}
