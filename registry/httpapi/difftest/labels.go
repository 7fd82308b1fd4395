package difftest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// labels names the index numbers of one transcript: #1 is the first that appeared, #2 the second, and so on. Dense numbers
// and sparse ones so give the same text, as long as the same things are equal; order says whether they also have the same order.
type labels struct {
	byIndex map[uint64]int
}

func newLabels() *labels { return &labels{byIndex: map[uint64]int{}} }

// name is the index's label. 0 means no index and stays. An index that must not be learned, because the two servers
// rightly differ there, and is not known yet, has no name.
func (l *labels) name(index uint64, learn bool) string {
	if index == 0 {
		return "0"
	}
	label, known := l.byIndex[index]
	if !known {
		if !learn {
			return "#?"
		}
		label = len(l.byIndex) + 1
		l.byIndex[index] = label
	}
	return "#" + strconv.Itoa(label)
}

// order is the list of all labels by the size of their indexes.
func (l *labels) order() string {
	indexes := make([]uint64, 0, len(l.byIndex))
	for index := range l.byIndex {
		indexes = append(indexes, index)
	}
	slices.Sort(indexes)
	var b strings.Builder
	for _, index := range indexes {
		fmt.Fprintf(&b, "#%d ", l.byIndex[index])
	}
	return strings.TrimSpace(b.String())
}

// largest is the highest index seen.
func (l *labels) largest() uint64 {
	var most uint64
	for index := range l.byIndex {
		most = max(most, index)
	}
	return most
}
