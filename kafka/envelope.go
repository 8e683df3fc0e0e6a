package kafka

import (
	"encoding/json"
	"errors"

	"stentor/engine/bus"
)

const (
	textContent = "text/plain;charset=UTF-8"
	jsonContent = "application/json"
)

var errNoDestination = errors.New("it has no header destination, and its value is not an envelope {\"projectId\",\"topic\",\"payload\"}")

// openEnvelope reads the JSON of back ends that do not set headers: {"projectId","topic","payload","updateTime"}, where
// the payload may also be named playLoad. Clients get the payload alone.
func openEnvelope(r *bus.Record) error {
	var members map[string]json.RawMessage
	if json.Unmarshal(r.Body, &members) != nil {
		return errNoDestination
	}
	topic, ok := word(members["topic"])
	if !ok || topic == "" {
		return errNoDestination
	}
	if id := members["projectId"]; id != nil {
		project, ok := word(id)
		if !ok {
			project = string(id) // some back ends number their projects
		}
		if project != r.Project {
			return errForeign
		}
	}
	payload := members["payload"]
	if payload == nil {
		payload = members["playLoad"]
	}
	if payload == nil {
		return errNoDestination
	}
	r.Destination = topic
	r.Body, r.ContentType = payload, jsonContent
	if text, ok := word(payload); ok {
		r.Body, r.ContentType = []byte(text), textContent
	}
	return nil
}

// word reads a JSON string.
func word(v json.RawMessage) (string, bool) {
	if len(v) == 0 || v[0] != '"' {
		return "", false
	}
	var s string
	err := json.Unmarshal(v, &s)
	return s, err == nil
}
