// Package report presents measurements: numbers and their targets, as a table for people or as JSON for
// scripts, and the progress until then.
package report
