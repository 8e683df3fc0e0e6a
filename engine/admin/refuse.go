package admin

import (
	"net/http"
	"net/netip"

	"stentor/engine/refusal"
)

// reason is why a request is refused, refusal.None when p is a mistake in the request: the caller can see that better than
// the log.
func (p *problem) reason() refusal.Reason {
	if p.why != refusal.None {
		return p.why
	}
	switch p.Status {
	case http.StatusUnauthorized:
		return refusal.APIAuth
	case http.StatusForbidden:
		return refusal.APIForbidden
	case http.StatusRequestEntityTooLarge:
		return refusal.APITooLarge
	case http.StatusTooManyRequests:
		return refusal.APILimit
	}
	switch p.Code {
	case codeBusy:
		return refusal.APIBusy
	case codeStopping:
		return refusal.APIStopping
	case codeTimeout:
		return refusal.APITimeout
	case codeUnavailable:
		return refusal.APIUnavailable
	}
	return refusal.None // not-ready too: probes ask for exactly that
}

// refused counts and logs that a request, or one push of it, is refused.
func (a *api) refused(r *http.Request, p *problem) {
	why := p.reason()
	if why == refusal.None || a.o.Refusals == nil {
		return
	}
	a.o.Refusals.Refuse(refusal.Record{
		Reason: why, Code: p.Status, Project: a.blamed(r, p), Address: peer(r.RemoteAddr), Subject: r.Method + " " + r.URL.Path, Text: p.Detail,
	})
}

// blamed is the project that the log line counts for: the one that was asked for, but the key's owner when it asks for
// another's.
func (a *api) blamed(r *http.Request, p *problem) string {
	project := r.PathValue("project")
	if p.Status != http.StatusUnauthorized && (project == "" || p.Status == http.StatusForbidden) {
		if key, none := bearer(r); none == nil {
			if owner, known := a.o.Projects.Owner(key); known {
				return owner
			}
		}
	}
	if !a.o.Projects.Exists(project) {
		return ""
	}
	return project
}

// peer is the zero value for a Unix socket.
func peer(address string) netip.AddrPort {
	at, _ := netip.ParseAddrPort(address)
	return at
}
