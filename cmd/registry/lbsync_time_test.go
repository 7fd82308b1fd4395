package main

import (
	"testing"
	"time"

	"rollcall/registry"
)

func TestChangeTime(t *testing.T) {
	before := time.Now()
	index := registry.New(registry.Options{Tag: 3}).Index()
	if at := changeTime(index); at.Before(before.Add(-time.Millisecond)) || at.After(time.Now()) {
		t.Errorf("%v after the change was made", at.Sub(before))
	}
	if past := changeTime(index - 2*registry.IndexesPerSecond); time.Since(past) < 2*time.Second || time.Since(past) > 3*time.Second {
		t.Errorf("%v ago instead of 2 s", time.Since(past))
	}
	for _, index := range []uint64{0, 1, 42, 1 << 52} {
		if at := changeTime(index); time.Since(at) > time.Second || time.Until(at) > 0 {
			t.Errorf("index %d: %v", index, at)
		}
	}
}
