package browsers

import (
	"context"

	"stentor/bench/gen/client"
	"stentor/bench/machine/server"
	"stentor/bench/suite/report"
)

const (
	// sockjsTarget is how many times the CPU of a plain delivery one by SockJS over WebSocket may cost.
	sockjsTarget = 1.15
	// sockjsBytes is how many bytes more a connection may take.
	sockjsBytes = 64
)

// sockjsEndpoint are the keys of an endpoint that takes SockJS.
const sockjsEndpoint = "sockjs: true"

// sockjs compares deliveries by SockJS over WebSocket with plain ones, of the same pushes to as many connections.
func (b *bench) sockjs(ctx context.Context) ([]report.Result, error) {
	all, err := b.beside(ctx, "sockjs", server.Publisher{Size: payloadBytes}, plain, way{name: "SockJS over WebSocket", endpoint: sockjsEndpoint, form: client.SockJS})
	if err != nil {
		return nil, err
	}
	return []report.Result{
		report.New("sockjs", "server CPU per message by SockJS over WebSocket, against plain", "times",
			pairwise(all[1], all[0], func(a, b sample) float64 { return a.cpu / b.cpu }),
			report.With("by SockJS", "us", column(all[1], cpu)...),
			report.With("plain", "us", column(all[0], cpu)...),
		).Most(sockjsTarget),
		report.New("sockjs", "server's RSS per connection by SockJS over WebSocket, beyond plain", "bytes",
			pairwise(all[1], all[0], func(a, b sample) float64 { return a.memory - b.memory }),
			report.With("by SockJS", "bytes", column(all[1], memory)...),
			report.With("plain", "bytes", column(all[0], memory)...),
		).Most(sockjsBytes),
	}, nil
}
