package registry

import "fmt"

// Code is an error code of the v2 API. The numbers and messages are those of
// etcd 2.3 (error/error.go there); clients branch on the numbers.
type Code int

// The codes that this server answers with.
const (
	CodeKeyNotFound     Code = 100 // no such key; the cause is the first missing ancestor
	CodeTestFailed      Code = 101 // compare failed
	CodeNotFile         Code = 102 // a directory where a file is needed
	CodeNotDir          Code = 104 // a file where a directory is needed
	CodeNodeExist       Code = 105 // create of an existing key
	CodeRootReadOnly    Code = 107 // the root cannot be written
	CodeDirNotEmpty     Code = 108 // delete of a directory with entries, without recursive
	CodeLimit           Code = 120 // a limit of the node is reached; etcd has no such code
	CodePrevValueNeeded Code = 201 // prevValue given, but empty
	CodeTTLNaN          Code = 202 // ttl is not a number
	CodeIndexNaN        Code = 203 // an index is not a number
	CodeInvalidField    Code = 209 // a field or the key cannot be understood
	CodeInvalidForm     Code = 210 // the form cannot be parsed, or is too large
	CodeRefreshValue    Code = 211 // a value was given with refresh
	CodeRefreshTTL      Code = 212 // refresh without a ttl
	CodeNotKept         Code = 300 // the write is not on disk, or has not been done for that reason; the cause says which
	CodeNotReady        Code = 301 // the node has yet to hear from the others; another may answer
	CodeIndexCleared    Code = 401 // the history before this index is gone: list again
)

var messages = map[Code]string{
	CodeKeyNotFound:     "Key not found",
	CodeTestFailed:      "Compare failed",
	CodeNotFile:         "Not a file",
	CodeNotDir:          "Not a directory",
	CodeNodeExist:       "Key already exists",
	CodeRootReadOnly:    "Root is read only",
	CodeDirNotEmpty:     "Directory not empty",
	CodeLimit:           "Limit reached",
	CodePrevValueNeeded: "PrevValue is Required in POST form",
	CodeTTLNaN:          "The given TTL in POST form is not a number",
	CodeIndexNaN:        "The given index in POST form is not a number",
	CodeInvalidField:    "Invalid field",
	CodeInvalidForm:     "Invalid POST form",
	CodeRefreshValue:    "Value provided on refresh",
	CodeRefreshTTL:      "A TTL must be provided on refresh",
	CodeNotKept:         "Raft Internal Error",    // etcd's words for a write that was not committed
	CodeNotReady:        "During Leader Election", // etcd's words for a server that cannot answer for a moment
	CodeIndexCleared:    "The event in requested index is outdated and cleared",
}

// String returns etcd's message for the code.
func (c Code) String() string { return messages[c] }

// Error is a refusal in the terms of the v2 API. A write that returns an Error
// has changed nothing and used no index, except where [CodeNotKept] says so.
type Error struct {
	Code  Code
	Cause string // what was in the way: a key, or what was compared with what
	Index uint64 // the node's index when it refused
	Limit Limit  // what refused it, 0 if it was no limit
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("%d: %s (%s) [%d]", int(e.Code), e.Code, e.Cause, e.Index)
}
