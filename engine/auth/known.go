package auth

// KnownKey says whether key is an administrator's or any project's.
func (p *Projects) KnownKey(key string) bool {
	s := p.current.Load()
	known := s.adminKeys.has(key)
	for _, project := range s.list {
		known = project.CheckAPIKey(key) || known
	}
	return known
}
