package load

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestFile(t *testing.T) {
	s, f := NewSpec()
	if err := f.Parse([]string{"--rate=7"}); err != nil {
		t.Fatal(err)
	}
	scenario, err := readText(f, "a.yaml", []byte(`# busy hour
scenario: topics
url: [ws://10.0.0.1:8080/ws, "ws://10.0.0.1:8081/ws"]
connections: 20_000
rate: 100        # the command line says 7
duration: 5m
zipf: 1.3
distribution: zipf
resume: false
source: 127.0.0.2-127.0.0.9
push_url: http://127.0.0.1:9000/send
push_body: '{"topic":"{{.Destination}}","payload":{{.Payload}}}'
connect_header:
  login: "user, {{.Number}}"
  Authorization: Bearer {{.Token}}
`))
	if err != nil {
		t.Fatal(err)
	}
	if scenario != "topics" || s.Connections != 20_000 || s.Rate != 7 || s.Duration != 5*time.Minute || s.ZipfExponent != 1.3 || s.Resume {
		t.Errorf("%s %+v", scenario, s)
	}
	if !slices.Equal(s.URLs, []string{"ws://10.0.0.1:8080/ws", "ws://10.0.0.1:8081/ws"}) || !slices.Equal(s.Sources, []string{"127.0.0.2-127.0.0.9"}) {
		t.Errorf("%q %q", s.URLs, s.Sources)
	}
	if s.Headers["login"] != "user, {{.Number}}" || s.Headers["Authorization"] != "Bearer {{.Token}}" || s.PushBody != `{"topic":"{{.Destination}}","payload":{{.Payload}}}` {
		t.Errorf("%q %q", s.Headers, s.PushBody)
	}
}

// A mistake is told with file, line, key, what was found and what is allowed; and all of them at once.
func TestFileMistakes(t *testing.T) {
	for text, want := range map[string][]string{
		"conections: 5":                   {"a.yaml:1: conections: there is no such key, allowed:", "connections"},
		"rate: 5\nrate: 6":                {"rate"},
		"rate: 5\n\nconnections: many":    {`a.yaml:3: connections: found "many", allowed: a whole number from 1 to 10000000`},
		"duration: 5":                     {`duration: found "5", allowed: a time as in 30s`},
		"distribution: normal":            {`distribution: found "normal", allowed: uniform, zipf`},
		"scenario: storm":                 {`scenario: found "storm", allowed: connect, broadcast`},
		"rate: [1, 2]":                    {"rate: found a list, allowed: one value"},
		"rate: {a: 1}":                    {"rate: found a mapping", "allowed: a value"},
		"url: {a: b}":                     {"url: found a mapping", "allowed: a value, or a list of them"},
		"connect_header: x":               {"connect_header: found a string, allowed: a mapping, name: value"},
		"nonsense: 1":                     {"nonsense: there is no such key, allowed: scenario, and the names of the command's flags"},
		"- a\n- b":                        {"allowed: key: value"},
		"slow_share: 2\ndrop_share: -0.1": {`a.yaml:1: slow_share: found "2", allowed: a number from 0 to 1`, "a.yaml:2: drop_share"},
		"rate: [":                         {"a.yaml"},
	} {
		_, f := NewSpec()
		_, err := readText(f, "a.yaml", []byte(text))
		if err == nil {
			t.Errorf("%q: no error", text)
			continue
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q: %q, want %q", text, err, w)
			}
		}
	}
}

// Secrets stand neither in the result nor in an error.
func TestSettings(t *testing.T) {
	_, f := NewSpec()
	if err := f.Parse([]string{"--secret=hush", "--api-key=hush", "--connect-header=token=hush", "--rate=3"}); err != nil {
		t.Fatal(err)
	}
	all := Settings(f)
	for name, value := range all {
		if strings.Contains(value, "hush") {
			t.Errorf("%s is shown", name)
		}
	}
	if all["rate"] != "3" || all["connections"] != "1000" || all["secret"] == "" {
		t.Errorf("%v", all)
	}
}

func TestCheck(t *testing.T) {
	for name, args := range map[string][]string{
		"--receipts":                   {"--receipts=false"},
		"--kafka-brokers":              {"--push=kafka"},
		"--push-url":                   {"--push=http"},
		"--url":                        {"--url=http://127.0.0.1/"},
		"differ":                       {"--url=ws://127.0.0.1:1/a,ws://127.0.0.1:1/b"},
		"--ca":                         {"--url=wss://127.0.0.1:1/a", "--ca=/nonexistent"},
		"--source":                     {"--source=127.0.0.9-127.0.0.2"},
		"{{.Destination}":              {"--destinations=3", "--topic=/topic/demo/all"},
		"--user":                       {"--user={{.Nobody}}"},
		"--key":                        {"--key=/nonexistent"},
		"one of them":                  {"--key=a", "--secret=b"},
		"subscribe":                    {"--subscribe=queue"},
		"needs connections with users": {"users"},
	} {
		scenario := "broadcast"
		if len(args) == 1 && args[0] == "users" {
			scenario, args = "users", nil
		}
		_, err := Run(bounded(t), parse(t, scenario, args...), Output{})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s %v: %v", scenario, args, err)
		}
	}
}
