// Package spring puts the same load on a Stentor node and on a Spring Boot application with the simple broker (app), one
// after the other on this machine, and shows their figures side by side.
//
// Each server is a fresh process for each number of connections, and is warmed up before anything is measured, so that the
// JVM has loaded and compiled its code. The load comes from "stentor-bench run broadcast", a process of its
// own, with flags that differ in the address, the destination and the push's URL only. Memory and CPU of both servers
// are read from /proc, by this process, which gives them to the load generator as Prometheus metrics.
package spring
