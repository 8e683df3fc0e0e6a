// Package page writes the report of a load run, or of several beside each other, as one HTML file: no script, nothing
// loaded from anywhere, readable on a phone, in the dark and on paper. Long runs are thinned so that no peak is lost.
package page
