package httpapi

import (
	"strconv"
	"sync/atomic"
	"time"
)

// stamps are the seconds that were formatted last. The expirations of a fleet lie
// within a TTL, so nearly all of them are found here.
var stamps [64]atomic.Pointer[stamp]

type stamp struct {
	second int64 // Unix time
	text   string
}

// appendTime formats a time in UTC as [time.RFC3339Nano] does.
func appendTime(b []byte, t time.Time) []byte {
	second := t.Unix()
	slot := &stamps[uint64(second)%uint64(len(stamps))]
	s := slot.Load()
	if s == nil || s.second != second {
		s = &stamp{second, t.UTC().Format("2006-01-02T15:04:05")}
		slot.Store(s)
	}
	b = append(b, s.text...)
	if ns := t.Nanosecond(); ns != 0 {
		at := len(b)
		b = strconv.AppendInt(b, 1e9+int64(ns), 10) // ten digits, the first a one
		b[at] = '.'
		for b[len(b)-1] == '0' {
			b = b[:len(b)-1]
		}
	}
	return append(b, 'Z')
}
