package main

import (
	"bytes"

	"github.com/spf13/cobra"

	"stentor/tuning/proxy"
)

func newProxyConfigCmd() *cobra.Command {
	var (
		r   proxy.Request
		tls []string
	)
	cmd := &cobra.Command{
		Use:   "proxy-config nginx|haproxy",
		Short: "Write a configuration of nginx or HAProxy for a number of connections",
		Long: `Writes a complete, commented configuration of nginx or HAProxy in front of one or several nodes. Its first comment
says what stentor.yaml and the host need as well. If so many connections do not fit, the command writes nothing and
says what is needed: for each pair of a source address and an address and port of a node the kernel finds 25,000
ports fast. HAProxy chooses them itself if a source is given: 55,000.

TLS at the proxy, two nodes:

  stentor proxy-config nginx --connections 50000 --node 10.0.0.5:8080,10.0.0.6:8080 \
    --tls /etc/ssl/push.pem,/etc/ssl/push.key --server-name push.example.com > nginx.conf

A node on the same host, over a Unix socket:

  stentor proxy-config nginx --connections 500000 --unix /run/stentor/ws.sock > nginx.conf

Several source addresses, and health checks on the API's port:

  stentor proxy-config haproxy --connections 150000 --node 10.0.0.5:8090 --source 10.0.0.11,10.0.0.12,10.0.0.13 \
    --health-port 8081 > haproxy.cfg

TLS at the nodes, whose listeners have the words tls and proxy_protocol:

  stentor proxy-config haproxy --connections 25000 --node 10.0.0.5:8443 --passthrough > haproxy.cfg

Check it with "nginx -t -c FILE" or "haproxy -c -f FILE". HAProxy, and nginx with --passthrough, pass the client's
address on with the PROXY protocol: give their addresses in listen.client the word proxy_protocol.`,
		Args: usageArgs(1, 1, "the proxy, nginx or haproxy,"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.Kind = proxy.Kind(args[0])
			switch len(tls) {
			case 0:
			case 2:
				r.Certificate, r.Key = tls[0], tls[1]
			default:
				return usagef("--tls: found %d files, allowed: CERTIFICATE,KEY", len(tls))
			}
			if r.Kind != proxy.Nginx && r.Kind != proxy.HAProxy {
				return usagef("found the proxy %q, allowed: nginx, haproxy", args[0])
			}
			if r.Kind == proxy.Nginx && r.HealthPort != 0 {
				return usagef("--health-port is for HAProxy: nginx does not check the readiness of nodes")
			}
			if r.Connections == 0 {
				return usagef("--connections is missing, as in --connections 100000")
			}
			var text bytes.Buffer
			if err := proxy.Write(&text, r); err != nil {
				return err
			}
			_, err := cmd.OutOrStdout().Write(text.Bytes())
			return err
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&r.Connections, "connections", 0, "simultaneous clients")
	flags.StringSliceVar(&r.Nodes, "node", nil, "host:port where a node takes clients (repeatable, or separated by commas)")
	flags.StringVar(&r.Unix, "unix", "", "path of the socket of a node on this host, in place of --node")
	flags.StringSliceVar(&r.Sources, "source", nil, "address of the proxy's host to connect to the nodes from (repeatable, or separated by commas)")
	flags.StringVar(&r.Listen, "listen", "", "address and port for clients (default 0.0.0.0:80, with --tls 0.0.0.0:443)")
	flags.StringSliceVar(&tls, "tls", nil, "files with the certificate and its key: CERTIFICATE,KEY")
	flags.BoolVar(&r.Passthrough, "passthrough", false, "pass TLS through to listeners of the nodes with tls, see tls in their configuration")
	flags.StringVar(&r.ServerName, "server-name", "", "host name that clients use; *.example.com means all subdomains, .example.com also the domain itself (default: any)")
	flags.StringVar(&r.Path, "path", "", "path of the endpoint (default /ws)")
	flags.BoolVar(&r.SockJS, "sockjs", false, "the endpoint has sockjs: true: also pass on what is below its path, all requests of a session to one node")
	flags.IntVar(&r.HealthPort, "health-port", 0, "HAProxy: port of the nodes' API, where it requests /readyz (default: check only whether the node accepts connections)")
	flags.IntVar(&r.Workers, "workers", 0, "processes of nginx, threads of HAProxy (default: one for each core of this machine)")
	flags.StringVar(&r.User, "user", "", "user of the proxy (default www-data for nginx, haproxy for HAProxy)")
	flags.StringVar(&r.RunDir, "run-dir", "", "directory for the pid file and temporary files (default: the distribution's)")
	return cmd
}
