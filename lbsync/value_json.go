package lbsync

import (
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
)

// parseJSON parses an object. Known fields must have the right type and range; unknown ones are ignored, whatever they
// hold; a field that comes twice makes the value ambiguous and is refused.
func parseJSON(value string, defaultPort uint16) (Server, error) {
	fields, err := splitObject(value)
	if err != nil {
		return Server{}, reject(ReasonJSON)
	}
	a, err := fields.address(defaultPort)
	if err != nil {
		return Server{}, err
	}
	s, err := a.server()
	if err != nil {
		return Server{}, err
	}
	err = errors.Join(
		fields.weight(&s), fields.state(&s), fields.backup(&s),
		fields.word("zone", &s.Zone), fields.word("instance_id", &s.InstanceID),
		fields.maxConn(&s), fields.slowStart(&s),
	)
	if err != nil {
		return Server{}, reject(ReasonField)
	}
	return s, nil
}

// An object is a JSON object with its values not yet decoded.
type object map[string]json.RawMessage

var errNotObject = errors.New("not one JSON object with unique fields")

func splitObject(value string) (object, error) {
	dec := json.NewDecoder(strings.NewReader(value))
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	fields := object{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, err
		}
		key, _ := name.(string)
		if _, twice := fields[key]; twice {
			return nil, errNotObject
		}
		fields[key] = raw
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errNotObject
	}
	return fields, nil
}

func (o object) address(defaultPort uint16) (address, error) {
	text, ok := o.text("addr")
	if !ok {
		return address{}, reject(ReasonField)
	}
	a, err := parseAddress(text)
	if err != nil {
		return address{}, err
	}
	raw, given := o["port"]
	if !given {
		if a.port == 0 {
			a.port = defaultPort
		}
		return a, nil
	}
	port, err := parsePort(string(raw))
	if err != nil || a.port != 0 && a.port != port {
		return address{}, reject(ReasonPort)
	}
	a.port = port
	return a, nil
}

// weight sets the weight. Zero is how balancers spell "drain", so it is read as that.
func (o object) weight(s *Server) error {
	raw, given := o["weight"]
	if !given {
		return nil
	}
	n, err := parseNumber(string(raw), MaxWeight)
	if err != nil {
		return err
	}
	if n == 0 {
		s.State = Drain
		return nil
	}
	s.Weight = n
	return nil
}

// parseNumber reads plain decimal digits without a leading zero.
func parseNumber(s string, most int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > most || strconv.Itoa(n) != s {
		return 0, reject(ReasonField)
	}
	return n, nil
}

func (o object) maxConn(s *Server) (err error) {
	if raw, given := o["maxconn"]; given {
		s.MaxConn, err = parseNumber(string(raw), MaxMaxConn)
	}
	return err
}

// slowStart reads seconds as a number, or a duration of whole seconds such as "30s" or "2m".
func (o object) slowStart(s *Server) error {
	raw, given := o["slowstart"]
	if !given {
		return nil
	}
	if text, isText := o.text("slowstart"); isText {
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 || d > MaxSlowStart || d%time.Second != 0 {
			return reject(ReasonField)
		}
		s.SlowStart = d
		return nil
	}
	n, err := parseNumber(string(raw), int(MaxSlowStart/time.Second))
	s.SlowStart = time.Duration(n) * time.Second
	return err
}

// state sets the state; of weight 0 and a state, the one that gives less traffic stands.
func (o object) state(s *Server) error {
	if _, given := o["state"]; !given {
		return nil
	}
	text, _ := o.text("state")
	switch State(text) {
	case Up:
	case Drain, Down:
		s.State = State(text)
	default:
		return reject(ReasonField)
	}
	return nil
}

func (o object) backup(s *Server) error {
	switch string(o["backup"]) {
	case "", "false":
	case "true":
		s.Backup = true
	default:
		return reject(ReasonField)
	}
	return nil
}

// maxWordLen bounds a zone and an instance id.
const maxWordLen = 128

func (o object) word(name string, to *string) error {
	if _, given := o[name]; !given {
		return nil
	}
	text, ok := o.text(name)
	if !ok || len(text) > maxWordLen || !consistsOf(text, "._-") {
		return reject(ReasonField)
	}
	*to = text
	return nil
}

// text returns a field that is a JSON string.
func (o object) text(name string) (string, bool) {
	raw := o[name]
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err == nil
}
