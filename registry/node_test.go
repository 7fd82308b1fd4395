package registry

import (
	"testing"
	"time"
)

func TestTTLSeconds(t *testing.T) {
	now := year(2026)
	tests := []struct {
		left time.Duration
		want int64
	}{
		{5 * time.Second, 5},
		{5*time.Second - 1, 5},
		{4*time.Second + 1, 5},
		{4 * time.Second, 4},
		{1, 1},
		{0, 0},
		{-1, 0},
		{-time.Second, -1},
	}
	for _, tt := range tests {
		n := Node{grant: &grant{expiration: now.Add(tt.left)}}
		if got := n.TTLSeconds(now); got != tt.want {
			t.Errorf("%v left: %d s, want %d", tt.left, got, tt.want)
		}
	}
}

func TestRendering(t *testing.T) {
	var r Rendering
	now := year(2026)
	tests := []struct {
		name  string
		at    time.Time
		text  string
		until time.Time
		want  string
	}{
		{"nothing yet", now, "one", now.Add(time.Second), "one"},
		{"still holds", now.Add(time.Second - 1), "two", time.Time{}, "one"},
		{"has aged", now.Add(time.Second), "three", time.Time{}, "three"},
		{"never ages", year(2140), "four", time.Time{}, "three"},
	}
	for _, tt := range tests {
		got := r.Get(tt.at, func() ([]byte, time.Time) { return []byte(tt.text), tt.until })
		if string(got) != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestErrorText(t *testing.T) {
	err := &Error{Code: CodeNotDir, Cause: "/a", Index: 7}
	if got := err.Error(); got != "104: Not a directory (/a) [7]" {
		t.Errorf("error says %q", got)
	}
}

func TestActionNames(t *testing.T) {
	names := map[Action]string{
		Get: "get", Set: "set", Create: "create", Update: "update", CompareAndSwap: "compareAndSwap",
		Delete: "delete", CompareAndDelete: "compareAndDelete", Expire: "expire",
	}
	for action, want := range names {
		if action.String() != want {
			t.Errorf("action %d is %q, want %q", action, action, want)
		}
	}
	if len(names) != int(nActions) {
		t.Errorf("%d actions, %d in this test", nActions, len(names))
	}
}
