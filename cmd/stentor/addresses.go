package main

import (
	"fmt"
	"io"
	"strings"

	"stentor/engine/directory"
)

// advertiseOwn makes the node advertise the addresses at which it listens, unless the configuration names others.
func (s *server) advertiseOwn() {
	a := s.cfg.Advertise
	if len(a.Clients) == 0 {
		for _, url := range s.clients() {
			if strings.HasPrefix(url, "ws") && len(a.Clients) < directory.MaxURLs {
				a.Clients = append(a.Clients, url)
			}
		}
	}
	if a.API == "" {
		a.API = strings.TrimSuffix(s.apiURL(), "/")
	}
	s.advertise.Store(&a)
}

// consoleURL returns the URL at which the page reaches the client endpoint.
func (s *server) consoleURL() string {
	path := s.cfg.Endpoints[0].Path
	if len(s.node.Addresses()) == 0 {
		return "ws://" + path // the page inserts its own host
	}
	a, ws := s.node.Addresses()[0], scheme("ws", s.node.Secure(0))
	if a.Addr().IsUnspecified() {
		return fmt.Sprintf("%s://:%d%s", ws, a.Port(), path)
	}
	return ws + "://" + a.String() + path
}

// clients returns the addresses where clients connect.
func (s *server) clients() []string {
	var all []string
	for i, a := range s.node.Addresses() {
		all = append(all, scheme("ws", s.node.Secure(i))+"://"+a.String()+s.cfg.Endpoints[0].Path)
	}
	for _, path := range s.node.Paths() {
		all = append(all, "unix:"+path)
	}
	return all
}

// apiURL returns the URL of the API and the console, with a / at its end.
func (s *server) apiURL() string {
	return scheme("http", s.cfg.Listen.APITLS) + "://" + s.apiAddr.Addr().String() + "/"
}

func (s *server) announce(out io.Writer, dev bool) {
	clients := s.clients()
	page := s.apiURL()
	if !dev {
		s.log.Info("serving", "node", s.cfg.Node.ID, "clients", strings.Join(clients, ","), "api", page, "projects", strings.Join(s.cfg.ProjectNames(), ","))
		return
	}
	fmt.Fprintf(out, `Stentor is running for trials (project demo, this machine only).

  page      %s
  clients   %s
  keys      demo-key (project demo), admin-key (all)
  library   new StentorClient({ endpoints: '%sv1/endpoints', project: 'demo' }) // clients/js
  push      curl -H 'Authorization: Bearer demo-key' -H 'Content-Type: application/json' -d '{"topic":"all","payload":"hello"}' %sv1/projects/demo/push

Ctrl-C stops it.
`, page, strings.Join(clients, " "), page, page)
}
