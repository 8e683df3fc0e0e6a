package engine

import (
	"cmp"
	"net/netip"
	"strings"
	"unsafe"

	"stentor/engine/address"
	"stentor/engine/auth"
	"stentor/engine/destination"
	"stentor/engine/refusal"
	"stentor/engine/session"
	"stentor/engine/shard"
)

// Authenticate implements shard.Env: credentials of CONNECT come before those of the handshake.
func (e *env) Authenticate(c shard.Credentials, done func(shard.Identity, *session.Failure)) (shard.Identity, *session.Failure, bool) {
	n := e.node
	show := auth.Credentials{EndpointProject: c.Admission.Endpoint, Project: c.Admission.Project, Token: c.Admission.Token, Source: address.Client(c.Admission.Address.Addr())}
	if project, ok := c.Header(n.opts.ProjectHeader); ok && project != "" {
		if show.Project != "" && show.Project != project {
			return shard.Identity{}, &session.Failure{
				Reason: refusal.ProjectConflict, Code: session.CodeAuth, Text: "Failed to send message, two different projects were given", Close: session.CloseProtocol,
			}, true
		}
		show.Project = project
	}
	if token := e.Token(c.Header); token != "" {
		show.Token = token
	}
	if show.Token == "" && n.opts.PasscodeIsToken { // last: libraries fill it with anything
		show.Token, _ = c.Header("passcode")
	}
	if p := n.project(cmp.Or(show.Project, show.EndpointProject, n.opts.DefaultProject)); p != nil {
		c.Admission.Named = p.name
	}
	return n.verify(show, done)
}

// Token implements shard.Env.
func (e *env) Token(header func(name string) (string, bool)) (token string) {
	if authorization, ok := header("Authorization"); ok {
		token, _ = bearer(authorization)
	}
	if named, ok := header(e.node.opts.TokenHeader); ok && named != "" {
		token = named
	}
	return token
}

// Renew implements shard.Env.
func (e *env) Renew(project, token string, client netip.AddrPort, done func(shard.Identity, *session.Failure)) (shard.Identity, *session.Failure, bool) {
	return e.node.verify(auth.Credentials{Project: project, Token: token, Source: address.Client(client.Addr())}, done)
}

func (n *Node) verify(show auth.Credentials, done func(shard.Identity, *session.Failure)) (shard.Identity, *session.Failure, bool) {
	id, err, ok := n.auth.Authenticate(show, func(id auth.Identity, err *auth.Error) {
		done(n.identity(id, err))
	})
	if !ok {
		return shard.Identity{}, nil, false
	}
	identity, failure := n.identity(id, err)
	return identity, failure, true
}

func (n *Node) identity(id auth.Identity, err *auth.Error) (shard.Identity, *session.Failure) {
	if err != nil {
		n.authFailures.WithLabelValues(err.Code).Inc()
		if err.Code == auth.CodeUnavailable {
			return shard.Identity{}, &session.Failure{Reason: err.Reason, Code: err.Code, Text: err.Text, Close: session.CloseTryLater, Silent: true}
		}
		return shard.Identity{}, &session.Failure{Reason: err.Reason, Code: err.Code, Text: err.Text, Close: session.CloseProtocol}
	}
	p := n.project(id.Project.Name())
	if p == nil { // removed by a reload meanwhile
		return shard.Identity{}, &session.Failure{Reason: refusal.ProjectGone, Code: session.CodeAuth, Text: "the project is no longer served", Close: session.CloseTryLater, Silent: true}
	}
	if err := n.bus.Serves(p.name); err != nil { // it has nothing to resume from yet: see admit
		return shard.Identity{}, &session.Failure{
			Reason: refusal.ProjectNotReady, Code: session.CodeAuth, Text: "the project is not served yet", Close: session.CloseTryLater, Silent: true, Cause: err.Error(),
		}
	}
	identity := shard.Identity{Project: p.settings.Load(), User: id.User}
	if id.Grant != nil {
		identity.Rights = &rights{id.Project, id.Grant}
	}
	if id.Project.CloseOnExpiry() {
		identity.Expires = id.Expires
	}
	return identity, nil
}

// rights are a project's, narrowed by a token's grant if there is one.
type rights struct {
	project *auth.Project
	grant   *auth.Grant
}

var served = [...]string{"/topic/", "/queue/", "/user/"}

func (r *rights) verdict(dest string, allowed bool) shard.Verdict {
	if allowed {
		return shard.Allowed
	}
	for _, prefix := range served {
		if strings.HasPrefix(dest, prefix) {
			return shard.Forbidden
		}
	}
	return shard.Unserved
}

// Bytes implements shard.Rights.
func (r *rights) Bytes() int { return int(unsafe.Sizeof(*r)) + r.grant.Bytes() }

func (r *rights) Subscribe(user, dest string) shard.Verdict {
	return r.verdict(dest, r.project.MaySubscribe(user, r.grant, dest))
}

func (r *rights) SubscribePattern(user string, p *destination.Pattern) shard.Verdict {
	return r.verdict(p.String(), r.project.MaySubscribePattern(user, r.grant, p))
}

func (r *rights) Send(_, dest string) shard.SendAction {
	switch r.project.SendAction(dest) {
	case auth.Push:
		return shard.SendPush
	case auth.Forward:
		return shard.SendForward
	case auth.Deny:
		return shard.SendDeny
	default:
		return shard.SendIgnore
	}
}
