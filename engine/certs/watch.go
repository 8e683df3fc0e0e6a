package certs

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"slices"
	"time"
)

// read reads all files. A file that changes in between gives a pair that does not fit, and is read again later.
func (c *Certs) read() (files contents, sum [32]byte, err error) {
	files = contents{}
	h := sha256.New()
	for _, name := range c.names() {
		if err := files.read(name); err != nil {
			return nil, sum, err
		}
		fmt.Fprintf(h, "%d\n", len(files[name]))
		h.Write(files[name])
	}
	return files, [32]byte(h.Sum(nil)), nil
}

func (c *Certs) names() []string {
	var all []string
	for _, p := range c.opts.Pairs {
		all = append(all, p.Cert, p.Key)
	}
	all = append(all, c.opts.ClientCA, c.opts.TicketKeys)
	return slices.DeleteFunc(all, func(name string) bool { return name == "" })
}

const (
	lookEvery = 5 * time.Second
	sayEvery  = 24 * time.Hour // the same thing
)

// Watch reads the files again every few seconds, until ctx ends: by content, as what Kubernetes swaps are links. A file that
// cannot be used changes nothing and is logged once.
func (c *Certs) Watch(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	last := ""
	for {
		c.remind(time.Now())
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		last = c.look(last)
	}
}

// look reloads, and logs an error unless it was the last one too. It returns the error's text.
func (c *Certs) look(last string) string {
	changed, err := c.Reload()
	switch {
	case err != nil:
		if err.Error() != last {
			c.opts.Log.Error("certificates cannot be reloaded, nothing was changed", "error", err)
		}
		return err.Error()
	case changed:
		c.logReload()
	}
	return ""
}

// Now reads the files at once, and logs an error in any case.
func (c *Certs) Now() { c.look("") }

func (c *Certs) logReload() {
	for _, l := range c.Leaves() {
		c.opts.Log.Info("certificate reloaded", "file", l.File, "names", l.Names, "expires", when(l.NotAfter))
	}
}

// remind says, once a day, what expires and what is old.
func (c *Certs) remind(now time.Time) {
	for _, l := range c.Leaves() {
		if text := l.Dated(now); text != "" && c.due(l.File, now) {
			c.opts.Log.Warn("a certificate "+text, "file", l.File, "names", l.Names)
		}
	}
	if text := TicketsOld(c.opts.TicketKeys, now); text != "" && c.due(c.opts.TicketKeys, now) {
		c.opts.Log.Warn("ticket keys have to be changed: "+text, "file", c.opts.TicketKeys)
	}
}

// TicketsOld says that a file of ticket keys has not changed for too long; empty when it has, or when there is none.
func TicketsOld(file string, now time.Time) string {
	if file == "" {
		return ""
	}
	info, err := os.Stat(file)
	if err != nil || now.Sub(info.ModTime()) < ticketAge {
		return ""
	}
	return fmt.Sprintf("the file is unchanged since %s; who gets its keys can read what clients of TLS 1.2 sent since then", info.ModTime().UTC().Format(time.RFC3339))
}

// due reports whether it is time to say what there is to say of a file.
func (c *Certs) due(file string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if last, ok := c.warned[file]; ok && now.Sub(last) < sayEvery {
		return false
	}
	c.warned[file] = now
	return true
}
