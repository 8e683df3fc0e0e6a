package config

import (
	"slices"
	"strings"
)

// Problem is one mistake in a configuration.
type Problem struct {
	// Where it was made: file:line, the name of an environment variable, or --set. Empty for a configuration that
	// was not loaded.
	Where string `json:"where"`
	// Key is the path of the key, as in limits.client_frame_bytes.
	Key string `json:"key"`
	// Text says what was found, and what is allowed.
	Text string `json:"text"`

	line int
}

func (p Problem) String() string {
	var b strings.Builder
	for _, part := range []string{p.Where, p.Key} {
		if part != "" {
			b.WriteString(part + ": ")
		}
	}
	return b.String() + p.Text
}

// Problems is the error of Load and Validate: all mistakes, those of the file first and in its order.
type Problems []Problem

// Error returns a line for each problem.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].String()
	}
	return strings.Join(lines, "\n")
}

// below reports whether there is a problem with the key at path or one below it.
func (p Problems) below(path string) bool {
	return slices.ContainsFunc(p, func(one Problem) bool {
		rest, ok := strings.CutPrefix(one.Key, path)
		return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

// err returns p in order as an error, nil when there are none.
func (p Problems) err() error {
	if len(p) == 0 {
		return nil
	}
	slices.SortStableFunc(p, func(a, b Problem) int {
		if (a.line == 0) != (b.line == 0) {
			return b.line - a.line
		}
		return a.line - b.line
	})
	return p
}

// origin is the place where a value was set.
type origin struct {
	where string
	line  int // in the file, else 0
}

// source is where a configuration and its values came from.
type source struct {
	dir     string // of the file, "" without one
	origins map[string]origin
}

// origin returns the place where the value at path, or the nearest key around it, was set. For values that were not set
// it is the file itself.
func (c *source) origin(path string) origin {
	for path != "" {
		if o, ok := c.origins[path]; ok {
			return o
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return c.origins[""]
}

// setOrigin records where path was set, and drops the origins of the keys below it.
func (c *source) setOrigin(path string, o origin) {
	if c.origins == nil {
		c.origins = make(map[string]origin)
	}
	for old := range c.origins {
		if rest, ok := strings.CutPrefix(old, path); ok && path != "" && rest != "" && (rest[0] == '.' || rest[0] == '[') {
			delete(c.origins, old)
		}
	}
	c.origins[path] = o
}
