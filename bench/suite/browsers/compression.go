package browsers

import (
	"context"
	"runtime"

	"stentor/bench/gen/client"
	"stentor/bench/machine/server"
	"stentor/bench/suite"
	"stentor/bench/suite/report"
)

const (
	// bytesTarget is the part of the bytes of plain messages that compressed ones may have, of the corpus of documents.
	bytesTarget = 0.38
	// packedTarget is how many times the CPU of a plain delivery of the corpus a compressed one may cost, and mixTarget how many
	// times half of both a push to a mix may: 1 and what samples differ by.
	packedTarget = 1.05
	mixTarget    = 1.05
	// packedBytes is how many bytes more a connection may take: none, and what samples differ by.
	packedBytes = 32
	// fewClients are enough to see what messages look like.
	fewClients = 4
	// corpusPushes are one push of each document.
	corpusPushes = 64
)

var deflated = way{name: "compressed", endpoint: "compression: true", form: client.Deflated}

// compression compares deliveries of JSON documents of some 2 KB with and without permessage-deflate.
func (b *bench) compression(ctx context.Context) ([]report.Result, error) {
	documents := server.Publisher{Documents: true}
	var sizes, small [2]float64 // bytes of a frame: plain, compressed
	for i, w := range []way{{name: "plain", endpoint: deflated.endpoint}, deflated} {
		var err error
		if sizes[i], err = b.frames(ctx, documents, w, corpusPushes); err != nil {
			return nil, err
		}
		if small[i], err = b.frames(ctx, server.Publisher{Size: payloadBytes}, w, warmUp); err != nil {
			return nil, err
		}
	}
	all, err := b.beside(ctx, "compression", documents, plain, deflated, way{name: "half and half", endpoint: deflated.endpoint, form: client.Deflated, half: true})
	if err != nil {
		return nil, err
	}
	return []report.Result{
		report.New("compression", "bytes of compressed messages, of documents of 2 KB, against plain", "times", []float64{sizes[1] / sizes[0]},
			report.With("compressed", "bytes", sizes[1]), report.With("plain", "bytes", sizes[0]),
		).Most(bytesTarget),
		report.New("compression", "bytes of messages with 200 bytes, against plain", "times", []float64{small[1] / small[0]}).Most(1),
		report.New("compression", "server CPU per compressed message, against plain", "times",
			pairwise(all[1], all[0], func(a, b sample) float64 { return a.cpu / b.cpu }),
			report.With("compressed", "us", column(all[1], cpu)...), report.With("plain", "us", column(all[0], cpu)...),
		).Most(packedTarget),
		report.New("compression", "server's RSS per connection that compresses, beyond plain", "bytes",
			pairwise(all[1], all[0], func(a, b sample) float64 { return a.memory - b.memory }),
			report.With("compressed", "bytes", column(all[1], memory)...), report.With("plain", "bytes", column(all[0], memory)...),
		).Most(packedBytes),
		report.New("compression", "server CPU per message to plain and compressing clients, half each, against the mean of both", "times",
			mixed(all), report.With("half and half", "us", column(all[2], cpu)...),
		).Most(mixTarget),
	}, nil
}

func mixed(all [][]sample) (ratios []float64) {
	for i := range all[2] {
		ratios = append(ratios, all[2][i].cpu/((all[0][i].cpu+all[1][i].cpu)/2))
	}
	return ratios
}

// frames pushes to a few clients and returns how many bytes a message has on the wire, on average.
func (b *bench) frames(ctx context.Context, back server.Publisher, w way, pushes int) (mean float64, err error) {
	o := b.clients()
	o.Form = w.form
	err = b.WithRig(ctx, b.Stentor, server.Config{Endpoint: w.endpoint}, o, back, func(ctx context.Context, r *suite.Rig) error {
		b.Progress.Step(nil, "compression: the bytes of messages, %s", w.name)
		if err := r.Open(ctx, client.Reading, fewClients); err != nil {
			return err
		}
		for range pushes {
			if err := r.Rounds(ctx, 1); err != nil {
				return err
			}
			mean += float64(len(r.Clients.LastMessage())) / float64(pushes)
		}
		return nil
	})
	return mean, err
}

// halfThreads makes both halves together have as many threads as a whole: the kernel charges the node for waking them.
func halfThreads() int { return max(1, runtime.GOMAXPROCS(0)/2) }
