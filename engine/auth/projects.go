package auth

import (
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
)

// Projects is the set of projects that is served, and the keys of its administrators. All methods may be called from
// any goroutine.
type Projects struct{ current atomic.Pointer[set] }

// set is one state of Projects. It never changes.
type set struct {
	generation uint32
	list       []*Project
	byName     map[string]uint32 // index in list
	names      []string          // in their order
	byIssuer   map[string]*Project
	adminKeys  secrets
}

// NewProjects makes the set.
func NewProjects(list []*Project, adminKeys []string) (*Projects, error) {
	p := new(Projects)
	p.current.Store(new(set))
	if err := p.Swap(list, adminKeys); err != nil {
		return nil, err
	}
	return p, nil
}

// Swap replaces the set at once. After an error the old one stays. Tokens verified before are verified again.
func (p *Projects) Swap(list []*Project, adminKeys []string) error {
	keys, err := newSecrets("admin_keys", adminKeys)
	if err != nil {
		return err
	}
	s := &set{
		list:      append([]*Project(nil), list...),
		byName:    make(map[string]uint32, len(list)),
		byIssuer:  make(map[string]*Project),
		adminKeys: keys,
	}
	for i, project := range s.list {
		if _, twice := s.byName[project.name]; twice {
			return fmt.Errorf("project %q: found twice", project.name)
		}
		s.byName[project.name] = uint32(i)
		for _, issuer := range project.issuers() {
			if other, taken := s.byIssuer[issuer]; taken && other != project {
				s.byIssuer[issuer] = nil // an issuer of several projects chooses none
			} else {
				s.byIssuer[issuer] = project
			}
		}
	}
	s.names = slices.Sorted(maps.Keys(s.byName))
	for {
		old := p.current.Load()
		s.generation = old.generation + 1
		if p.current.CompareAndSwap(old, s) {
			return nil
		}
	}
}

// get returns the project and its index.
func (s *set) get(name string) (*Project, uint32) {
	if i, ok := s.byName[name]; ok {
		return s.list[i], i
	}
	return nil, 0
}

// Get returns the project of that name, or nil.
func (p *Projects) Get(name string) *Project {
	project, _ := p.current.Load().get(name)
	return project
}

// Names returns the names of all projects, in their order. The caller does not change them.
func (p *Projects) Names() []string { return p.current.Load().names }

// Exists says whether there is a project of that name.
func (p *Projects) Exists(project string) bool { return p.Get(project) != nil }

// APIKey says whether key is one of the project's, in constant time.
func (p *Projects) APIKey(project, key string) bool {
	found := p.Get(project)
	return found != nil && found.CheckAPIKey(key)
}

// AdminKey says whether key is an administrator's, in constant time.
func (p *Projects) AdminKey(key string) bool { return p.current.Load().adminKeys.has(digest(key)) }

// Own says whether dest, a destination or a pattern, is in the name space of the project.
func (p *Projects) Own(project, dest string) bool {
	found := p.Get(project)
	return found != nil && found.Own(dest)
}
