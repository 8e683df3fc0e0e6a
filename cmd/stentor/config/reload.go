package config

import (
	"reflect"
	"slices"
	"strings"
)

// FixedChanges returns the keys that differ between c and d and that a running node does not reload: all but the
// projects and the administrators' keys. What the files of tls contain is not part of it.
func (c *Config) FixedChanges(d *Config) []string {
	before := c.fixed()
	var changed []string
	for path, value := range d.fixed() {
		if old, ok := before[path]; !ok || !reflect.DeepEqual(old, value) {
			changed = append(changed, path)
		}
		delete(before, path)
	}
	for path := range before {
		changed = append(changed, path)
	}
	slices.Sort(changed)
	return changed
}

func (c *Config) fixed() map[string]any {
	all := map[string]any{}
	c.walk(func(p place) {
		if p.path != "projects" && !strings.HasPrefix(p.path, "projects.") && !strings.HasPrefix(p.path, "admin_keys") {
			all[p.path] = p.value.Interface()
		}
	})
	return all
}
