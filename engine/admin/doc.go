// Package admin is the HTTP side of a node: the push API, the view of sessions and destinations, health, metrics,
// and the console, a page to try and watch all of it. It uses net/http and a port of its own.
//
//	api := admin.New(admin.Options{Node: node, Projects: projects, Gatherer: registry, Registerer: registry})
//	server := admin.NewServer(admin.ServerOptions{Handler: api, MaxConns: 512, Registerer: registry})
//	go server.Serve(listener)
//
// A request is one goroutine of net/http. It reaches the node only through Node, whose methods post to the event
// loops and wait for their answers, each wait with a deadline. What a request may hold is bounded before it is read:
// connections by Server, bytes of bodies as they come by shares over all requests, listings by a few slots. Of each of
// these a key's owner has a share that leaves some for others. Without a valid key nothing is read after the header.
//
// Files: handler.go has the routes and what surrounds them, access.go the keys, body.go the reading, scan.go walks
// JSON in place, push.go turns a body into records and publish.go waits for the bus, batch.go and envelope.go are the
// other two forms of a push, sessions.go and projects.go the listings and kicks, problem.go every error, server.go,
// conns.go and crowd.go the bounded server, lines.go skips empty lines before requests, handshake.go what becomes of a
// handshake of TLS that fails, shares.go what one may hold of what all have, incoming.go the deadline of a body,
// writer.go that of an answer, scrape.go the metrics, discovery.go the nodes of the cluster and where a client
// should connect, registry.go what of all this a registry serves. Answers of all nodes: cluster.go has the sums,
// sessions_all.go, destinations_all.go and projects_all.go the listings, pages.go asks for their parts, fanout.go bounds
// what an owner may ask for, peers.go asks the others, here.go this node, missing.go says who did not answer, sign.go has
// the signatures of such requests. openapi.yaml describes the API and is
// tested against it.
//
// page/ is the console, in plain modules without a build: app.js shows one of its views (try.js, nodes.js, projects.js,
// sessions.js), api.js has the key and the polls, dom.js puts what others chose into the document as text. uPlot draws the
// curves of chart.js; uplot.sh fetches it, and without it line.js draws them. try.js connects with the client library of clients/js,
// which library.sh puts into one file; without it stomp.js does.
package admin
