// Package chart draws line charts that need nothing but a browser: no script, no font, no file beside the page.
//
// A chart is a stretched inline SVG with nothing but lines and areas in it, and its words are HTML placed over and beside it in
// percent. So the lines fill whatever width there is and the words keep their size: the same markup is read on a wide
// screen, on a phone and on paper. Colours are classes (s1 to s8) that the page's style sheet defines; Style has the rules of the layout.
//
// Everything here is a pure function of its input.
package chart
