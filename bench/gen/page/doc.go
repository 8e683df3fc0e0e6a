// Package page writes the report of a load run, or of several side by side, as one HTML file: no script, no external
// resources, readable on a phone, in dark mode and on paper. Long runs are thinned without losing a peak.
package page
