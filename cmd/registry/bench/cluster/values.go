package main

import (
	"context"
	"encoding/json"
	"fmt"
)

// A node of the tree, as the keys API shows it.
type node struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	Dir   bool   `json:"dir"`
	Nodes []node `json:"nodes"`
}

// values are all entries below a directory of one server, by key.
func (s *server) values(ctx context.Context, path string) (map[string]string, error) {
	// quorum=false is the default: what this very server holds.
	body, err := s.get(ctx, path+"?recursive=true")
	if err != nil {
		return nil, err
	}
	return parseValues(body)
}

func parseValues(body []byte) (map[string]string, error) {
	var answer struct {
		Node *node `json:"node"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("parse answer: %w", err)
	}
	if answer.Node == nil {
		return nil, fmt.Errorf("parse answer: no node in %.200s", body)
	}
	values := map[string]string{}
	answer.Node.collect(values)
	return values, nil
}

func (n *node) collect(values map[string]string) {
	if !n.Dir {
		values[n.Key] = n.Value
	}
	for i := range n.Nodes {
		n.Nodes[i].collect(values)
	}
}
