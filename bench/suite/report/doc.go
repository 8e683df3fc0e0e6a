// Package report has what measurements are told with: numbers and their targets, as a table for people or as JSON for
// scripts, and the progress on the way to them.
package report
