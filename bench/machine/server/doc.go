// Package server runs a push server as a separate process for a measurement, on free loopback ports. Its configuration sets
// only what the measurement is about, so that the default settings are measured. The package also has the back end that
// pushes to it by HTTP, and the credentials of clients.
package server
