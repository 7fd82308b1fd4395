package difftest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// member is one field of a JSON object. Objects are kept as lists of members, since the order of fields is compared too.
type member struct {
	name  string
	value any
}

// parseJSON decodes one document into []member, []any, string, json.Number, bool and nil.
func parseJSON(text []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	value, err := parseValue(decoder)
	if err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one document")
	}
	return value, nil
}

func parseValue(decoder *json.Decoder) (any, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, fmt.Errorf("parse JSON: %w", err)
	}
	switch token {
	case json.Delim('{'):
		return parseObject(decoder)
	case json.Delim('['):
		return parseArray(decoder)
	default:
		return token, nil
	}
}

func parseObject(decoder *json.Decoder) (any, error) {
	object := []member{}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, fmt.Errorf("parse JSON: %w", err)
		}
		value, err := parseValue(decoder)
		if err != nil {
			return nil, err
		}
		object = append(object, member{fmt.Sprint(name), value})
	}
	_, err := decoder.Token()
	return object, err
}

func parseArray(decoder *json.Decoder) (any, error) {
	array := []any{}
	for decoder.More() {
		value, err := parseValue(decoder)
		if err != nil {
			return nil, err
		}
		array = append(array, value)
	}
	_, err := decoder.Token()
	return array, err
}

// field is the named member's value, or nil.
func field(value any, name string) any {
	object, _ := value.([]member)
	for _, m := range object {
		if m.name == name {
			return m.value
		}
	}
	return nil
}
