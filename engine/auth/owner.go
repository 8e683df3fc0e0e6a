package auth

// Owner returns the project whose API key this is, "" for an administrator's. A key of several projects is the first
// one's.
func (p *Projects) Owner(key string) (project string, known bool) {
	s, sum := p.current.Load(), digest(key)
	known = s.adminKeys.has(sum)
	for _, one := range s.list {
		if one.apiKeys.has(sum) && !known {
			project, known = one.name, true
		}
	}
	return project, known
}
