// Package chart draws line charts that need only a browser: no script, no font, no other file.
//
// A chart is a stretched inline SVG that has only lines and areas. Its text is HTML, placed over and beside it in
// percent. So the lines fill the available width and the text keeps its size: the same markup is readable on a wide
// screen, on a phone and on paper. Colours are classes (s1 to s8) that the page's style sheet defines; Style has the rules of the layout.
//
// Everything here is a pure function of its input.
package chart
