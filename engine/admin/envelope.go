package admin

import (
	"net/http"

	"stentor/engine/bus"
)

// envelopeFields are those of {"projectId","topic","payload"|"playLoad","updateTime"}, the form that existing back ends
// post. They may send more: other fields are ignored here, unlike in a push.
var envelopeFields = []string{"projectId", "topic", "payload", "playLoad", "updateTime"}

// envelope answers POST /v1/push: a push to one topic whose project is named in the body. Clients get the payload alone;
// updateTime is the back end's own and is ignored.
func (a *api) envelope(w http.ResponseWriter, r *http.Request) *problem {
	key, p := a.known(r)
	if p != nil {
		return p
	}
	return a.one(w, r, func(id string, raw []byte) (*push, *problem) {
		m, p := members(raw, envelopeFields, false)
		if p != nil {
			return nil, p
		}
		project, p := projectID(m["projectId"])
		if p != nil {
			return nil, p
		}
		if p := a.allowed(key, project); p != nil {
			return nil, p
		}
		return a.readEnvelope(project, id, m)
	})
}

// projectID reads the project of an envelope: a string, or a number as back ends with numeric keys send it.
func projectID(v []byte) (string, *problem) {
	switch {
	case v == nil:
		return "", badField(`there is no projectId: send {"projectId":"shop","topic":"all","payload":...}`)
	case v[0] == '-' || v[0] >= '0' && v[0] <= '9':
		return string(v), nil
	}
	project, err := text(v)
	if err != nil {
		return "", badField("projectId %s: send the project's name", err)
	}
	return project, nil
}

// readEnvelope makes a push of the members of an envelope.
func (a *api) readEnvelope(project, key string, m map[string][]byte) (*push, *problem) {
	payload := m["payload"]
	if other := m["playLoad"]; other != nil {
		if payload != nil {
			return nil, badField("both payload and playLoad are present: send one")
		}
		payload = other
	}
	if payload == nil {
		return nil, badField("there is no payload: send payload (or playLoad), a string or any JSON")
	}
	if m["topic"] == nil {
		return nil, badField(`there is no topic: send a name like "all", or a full destination`)
	}
	r := bus.Record{Project: project, Time: a.o.Now()}
	if p := a.readPayload(&r, payload, nil); p != nil {
		return nil, p
	}
	id, p := pushID(nil, key)
	if p != nil {
		return nil, p
	}
	return a.address(map[string][]byte{"topic": m["topic"]}, r, id)
}
