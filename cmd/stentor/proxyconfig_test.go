package main

import (
	"strings"
	"testing"
)

func TestProxyConfig(t *testing.T) {
	got := cli(t, strings.Fields("proxy-config nginx --connections 50000 --node 10.0.0.5:8080,10.0.0.6:8080 --tls /etc/a.pem,/etc/a.key --server-name push.example.com")...)
	if got.code != exitOK || got.err != "" || !strings.Contains(got.out, "ssl_certificate_key /etc/a.key;") || !strings.Contains(got.out, "server 10.0.0.6:8080 ") {
		t.Errorf("%+v", got)
	}
	got = cli(t, strings.Fields("proxy-config haproxy --connections 50000 --node 10.0.0.5:8080")...)
	if got.code != exitFailure || got.out != "" || !strings.Contains(got.err, "2 pairs are needed") {
		t.Errorf("%+v", got)
	}
	for args, want := range map[string]string{
		"proxy-config nginx --node 10.0.0.5:8080": "--connections is missing",
		"proxy-config": "the proxy, nginx or haproxy, is missing",
		"proxy-config squid --connections 1 --node 10.0.0.5:8080":                    "allowed: nginx, haproxy",
		"proxy-config nginx --connections 1 --node 10.0.0.5:8080 --health-port 8081": "--health-port is for HAProxy",
		"proxy-config nginx --connections 1 --node 10.0.0.5:8080 --tls /a.pem":       "allowed: CERTIFICATE,KEY",
	} {
		if got := cli(t, strings.Fields(args)...); got.code != exitUsage || !strings.Contains(got.err, want) {
			t.Errorf("%s: %+v, want %q", args, got, want)
		}
	}
}
