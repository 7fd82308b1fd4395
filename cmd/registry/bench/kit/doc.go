// Package kit is what the benchmark programs beside it share: choosing rows of work, reading the machine and processes
// from /proc, and printing figures as Markdown.
package kit
