package client

import (
	"errors"
	"fmt"
	"strings"
)

// Code is the errorCode of a v2 answer.
type Code int

// The codes that callers tell apart. Servers know more.
const (
	CodeKeyNotFound  Code = 100 // No such key; Cause is the first missing ancestor.
	CodeTestFailed   Code = 101 // The value or index compared with is not the current one.
	CodeNotFile      Code = 102 // The key is a directory.
	CodeNotDir       Code = 104 // A file stands where a directory is needed.
	CodeKeyExists    Code = 105 // A create found the key.
	CodeRootReadOnly Code = 107 // The root cannot be written or removed.
	CodeDirNotEmpty  Code = 108 // A directory with children needs a recursive delete.
	CodeUnauthorized Code = 110 // The request needs other credentials.
	CodeBadTTL       Code = 202 // The TTL is not a number of seconds.
	CodeBadField     Code = 209 // A field of the request is not understood.
	CodeIndexCleared Code = 401 // The history before that index is gone, or the index is another node's.
)

// Error is a node's refusal: it understood the request and did not do it.
type Error struct {
	Code    Code   `json:"errorCode"`
	Message string `json:"message"`
	Cause   string `json:"cause"` // What the message is about, mostly a key.
	Index   uint64 `json:"index"` // The node's index at that time; 0 when the request was not understood.
	Status  int    `json:"-"`     // The HTTP status.
}

// Error has the form that etcd's tools print: "100: Key not found (/a) [12]".
func (e *Error) Error() string {
	return fmt.Sprintf("%d: %s (%s) [%d]", e.Code, e.Message, e.Cause, e.Index)
}

// UnavailableError means that no node has done the request, and that none will have done it later: each was not
// reached, was not ready, or failed at a request that is safe to repeat. Trying again later is right.
type UnavailableError struct {
	// Failures holds one error a node, of the last round.
	Failures []error
}

func (e *UnavailableError) Error() string {
	texts := make([]string, len(e.Failures))
	for i, f := range e.Failures {
		texts[i] = f.Error()
	}
	return "no registry node answers: " + strings.Join(texts, "; ")
}

// Unwrap gives access to the nodes' failures.
func (e *UnavailableError) Unwrap() []error { return e.Failures }

// OutcomeUnknownError means that a conditional write was sent and its answer was lost: it may have been done or not.
// Read the key before trying again.
type OutcomeUnknownError struct {
	Endpoint string // The node that was asked.
	Err      error  // How the answer was lost.
}

func (e *OutcomeUnknownError) Error() string {
	return fmt.Sprintf("%s: the write may have been done or not: %v", e.Endpoint, e.Err)
}

func (e *OutcomeUnknownError) Unwrap() error { return e.Err }

// LostPlaceError ends a [Watcher]: changes after index After may have been missed. List again, and watch from there.
type LostPlaceError struct {
	After uint64
	Err   error // Usually an [Error] with CodeIndexCleared.
}

func (e *LostPlaceError) Error() string {
	return fmt.Sprintf("changes after index %d may have been missed: %v", e.After, e.Err)
}

func (e *LostPlaceError) Unwrap() error { return e.Err }

// IsNotFound tells whether the node said that the key does not exist.
func IsNotFound(err error) bool { return hasCode(err, CodeKeyNotFound) }

// IsExists tells whether a create found the key in place.
func IsExists(err error) bool { return hasCode(err, CodeKeyExists) }

// IsTestFailed tells whether a PrevValue or PrevIndex was not the current one.
func IsTestFailed(err error) bool { return hasCode(err, CodeTestFailed) }

// IsNotFile tells whether the key turned out to be a directory.
func IsNotFile(err error) bool { return hasCode(err, CodeNotFile) }

// IsNotDir tells whether a file stood where a directory was needed.
func IsNotDir(err error) bool { return hasCode(err, CodeNotDir) }

// IsDirNotEmpty tells whether a delete without Recursive met a directory with children.
func IsDirNotEmpty(err error) bool { return hasCode(err, CodeDirNotEmpty) }

// IsLostPlace tells whether a watch has lost its place, so that the caller has to list again.
func IsLostPlace(err error) bool {
	_, lost := errors.AsType[*LostPlaceError](err)
	return lost || hasCode(err, CodeIndexCleared)
}

// IsUnavailable tells whether no node could do the request.
func IsUnavailable(err error) bool {
	_, ok := errors.AsType[*UnavailableError](err)
	return ok
}

// IsOutcomeUnknown tells whether a conditional write may have been done or not.
func IsOutcomeUnknown(err error) bool {
	_, ok := errors.AsType[*OutcomeUnknownError](err)
	return ok
}

// isRefusal tells whether a node has answered, and the answer is no. An Error inside an UnavailableError is not that.
func isRefusal(err error) bool {
	_, ok := errors.AsType[*Error](err)
	return ok && !IsUnavailable(err)
}

func hasCode(err error, code Code) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == code && !IsUnavailable(err)
}
