package main

import (
	"math/rand/v2"
	"slices"
)

const (
	// changeHosts is the size of the set of hosts that come and go, and leastUp how many are always in.
	changeHosts, leastUp = 10, 5
	// restSteps is for how many changes a host stays as it is: 1.6 s, so that nearly every change can be seen in traffic.
	restSteps = 8
)

// A change takes a host out, or back in.
type change struct {
	host int
	in   bool
}

// planChanges makes the same n changes for the same seed. All hosts are in at the beginning.
func planChanges(n int, seed uint64) []change {
	random := rand.New(rand.NewPCG(seed, 0))
	in := slices.Repeat([]bool{true}, changeHosts)
	last := slices.Repeat([]int{-restSteps}, changeHosts)
	up := changeHosts
	plan := make([]change, 0, n)
	for step := range n {
		var rested []int
		for i := range in {
			if step-last[i] >= restSteps && (up > leastUp || !in[i]) {
				rested = append(rested, i)
			}
		}
		if len(rested) == 0 {
			rested = []int{oldest(last, in, up)}
		}
		i := rested[random.IntN(len(rested))]
		in[i], last[i] = !in[i], step
		up += map[bool]int{true: 1, false: -1}[in[i]]
		plan = append(plan, change{i, in[i]})
	}
	return plan
}

// oldest is the host that may change and has not for the longest time.
func oldest(last []int, in []bool, up int) int {
	found := -1
	for i := range last {
		if (up > leastUp || !in[i]) && (found < 0 || last[i] < last[found]) {
			found = i
		}
	}
	return found
}
