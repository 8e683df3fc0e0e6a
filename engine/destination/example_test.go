package destination_test

import (
	"fmt"

	"stentor/engine/destination"
)

// A rule says what a token's user may subscribe to.
func ExampleRule() {
	rule, err := destination.ParseRule("/topic/u/{user}/**", "shop")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(rule.Allows("/topic/u/ann/orders", "ann"), rule.Allows("/topic/u/ann/orders", "bob"))
	// Output: true false
}

// An index finds the patterns that match a destination, and says beforehand what that may cost.
func ExampleIndex() {
	var x destination.Index[string]
	for _, text := range []string{"/topic/orders/*", "/topic/**", "/queue/*"} {
		p, err := destination.ParsePattern(text)
		if err != nil {
			fmt.Println(err)
			return
		}
		x.Put(p, text)
	}
	for _, text := range x.AppendMatches(nil, "/topic/orders/7") {
		fmt.Println(text)
	}
	// Unordered output:
	// /topic/orders/*
	// /topic/**
}
