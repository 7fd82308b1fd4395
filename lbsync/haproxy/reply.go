package haproxy

import "strings"

// An expectation is the answer by which a command has worked. The texts are the same from HAProxy 2.4 to 3.4; anything
// else, known or not, is no success. See TestReplies for where they come from.
type expectation int

const (
	// silence is an empty line: state, weight, maxconn and health commands.
	silence expectation = iota
	// registered is add server's.
	registered
	// deleted is del server's.
	deleted
)

const (
	textRegistered = "New server registered."
	textDeleted    = "Server deleted."
	// textBusy is how del server refuses while a connection to the server is open.
	textBusy = "Server still has connections attached to it, cannot remove it."
)

// met tells whether the whole answer is the expected one. No answer at all is none: HAProxy ends even an empty one with
// a line feed.
func (e expectation) met(reply string) bool {
	text, ok := line(reply)
	switch e {
	case silence:
		return ok && text == ""
	case registered:
		return ok && text == textRegistered
	case deleted:
		return ok && text == textDeleted
	default:
		return false
	}
}

// busy tells whether del server was refused because of connections, which end some day.
func busy(reply string) bool {
	text, ok := line(reply)
	return ok && text == textBusy
}

// cannotAdd tells whether add server was refused for a reason that holds for every server of the backend until HAProxy
// gets another configuration.
func cannotAdd(reply string) bool {
	text, _ := line(reply)
	switch {
	case text == "Backend must use a dynamic load balancing to support dynamic servers.",
		// HAProxy 2.4.
		text == "Backend must use a consistent hashing method for load balancing to support dynamic servers.",
		// HAProxy 2.4 and 2.5.
		strings.HasPrefix(text, "This command is restricted to experimental mode only."),
		// HAProxy 3.4 goes on with the reason.
		strings.HasPrefix(text, "Backend does not support dynamic servers"),
		strings.HasSuffix(text, "option is not accepted for dynamic server"):
		return true
	}
	return false
}

// line is an answer of at most one line without its end: one line feed, or two where the text has one of its own.
func line(reply string) (string, bool) {
	text, ok := strings.CutSuffix(reply, "\n")
	text = strings.TrimSuffix(text, "\n")
	return text, ok && !strings.Contains(text, "\n")
}

// parseMarker reads the answer of get var: "proc.rollcall_gen: type=str value=<0123456789abcdef>". A process without
// the variable, or with one of another kind, has no marker, which is no error.
func parseMarker(reply string) (string, error) {
	text, ok := line(reply)
	if value, found := strings.CutPrefix(text, markerName+": type=str value=<"); ok && found {
		if marker, found := strings.CutSuffix(value, ">"); found {
			return marker, nil
		}
	}
	if ok && (text == "Variable not found." || text == markerName+": undefined") {
		return "", nil
	}
	return "", &replyError{command: askMarker, reply: reply}
}
