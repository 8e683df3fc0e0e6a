// Package server runs a push server as a process of its own for a measurement: on free loopback ports, with a
// configuration that sets only what the measurement is about, so that it measures the settings as
// shipped. It also has the back end that pushes to it by HTTP, and the credentials of clients.
package server
