package lbsync

// A Reason says why an entry was rejected. The set is closed, so that it can label a metric.
type Reason string

// The reasons, in the order in which an entry is examined.
const (
	// ReasonKey is a key that is too long or has other characters than letters, digits and "_:@+=~-" and a dot.
	ReasonKey Reason = "bad_key"
	// ReasonEmpty is a value of no bytes.
	ReasonEmpty Reason = "empty_value"
	// ReasonTooLong is a value of more than 4096 bytes.
	ReasonTooLong Reason = "value_too_long"
	// ReasonSyntax is a value of none of the accepted forms.
	ReasonSyntax Reason = "bad_syntax"
	// ReasonJSON is a value that begins as JSON and is not one object with unique fields.
	ReasonJSON Reason = "bad_json"
	// ReasonField is a known field of a JSON value with a wrong type or out of range.
	ReasonField Reason = "bad_field"
	// ReasonPort is a port that is not a plain number from 1 to 65535, or two that disagree.
	ReasonPort Reason = "bad_port"
	// ReasonNoPort is an address without a port in a service that has no default port.
	ReasonNoPort Reason = "no_port"
	// ReasonAddress is an address that no server can have: unspecified, multicast, link-local, reserved or with a zone id.
	ReasonAddress Reason = "address_not_allowed"
	// ReasonHostName is a host name where the service allows IP addresses alone.
	ReasonHostName Reason = "host_name_not_allowed"
	// ReasonHost is a host name that cannot be resolved to an allowed address.
	ReasonHost Reason = "unresolvable_host"
	// ReasonDuplicate is an address and port that an entry with a smaller key already has.
	ReasonDuplicate Reason = "duplicate_address"
)

// Reasons lists all reasons, for metrics that show each of them from the start.
func Reasons() []Reason {
	return []Reason{
		ReasonKey, ReasonEmpty, ReasonTooLong, ReasonSyntax, ReasonJSON, ReasonField,
		ReasonPort, ReasonNoPort, ReasonAddress, ReasonHostName, ReasonHost, ReasonDuplicate,
	}
}

// A RejectError is the answer to an entry that is not a server.
type RejectError struct {
	Reason Reason
}

// Error says only the reason: the entry's own text never travels in an error.
func (e *RejectError) Error() string { return "entry rejected: " + string(e.Reason) }

func reject(reason Reason) error { return &RejectError{Reason: reason} }
