package auth

// Owner returns the project whose API key this is, "" for an administrator's. A key of several projects is the first
// one's.
func (p *Projects) Owner(key string) (project string, known bool) {
	s := p.current.Load()
	known = s.adminKeys.has(key)
	for _, one := range s.list {
		if one.CheckAPIKey(key) && !known {
			project, known = one.name, true
		}
	}
	return project, known
}
