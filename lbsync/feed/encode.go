package feed

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"rollcall/lbsync"
)

// encode returns v as JSON with a final line feed. Members of maps are sorted.
func encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic("feed: pools always have a JSON form: " + err.Error())
	}
	return append(text, '\n')
}

// hash names a text: 16 hexadecimal digits.
func hash(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// byName returns the pools in the order of their names.
func byName(pools []lbsync.Pool) []lbsync.Pool {
	return slices.SortedFunc(slices.Values(pools), func(a, b lbsync.Pool) int { return cmp.Compare(a.Name, b.Name) })
}
