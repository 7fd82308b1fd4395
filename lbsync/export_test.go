package lbsync

// The lists of what must be rejected, for tests from outside the package.
var (
	RejectedValues = rejected
	BadKeys        = badKeys
)
