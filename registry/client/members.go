package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// Membership is who a node knows to be in its cluster.
type Membership struct {
	// Members are the nodes that are alive. A registry node names itself first and then the others by name.
	Members []Member `json:"members"`

	// Endpoint is the URL of the node that answered.
	Endpoint string `json:"-"`
	// Raw is the answer as it came, JSON.
	Raw []byte `json:"-"`
}

// Member is one node of a cluster.
type Member struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// ClientURLs are where clients reach it, PeerURLs where other nodes do. Either may be empty.
	ClientURLs []string `json:"clientURLs"`
	PeerURLs   []string `json:"peerURLs"`
}

// Members asks a node who is in its cluster. A node answers that also when it is not ready for requests for keys.
func (c *Client) Members(ctx context.Context) (*Membership, error) {
	var found *Membership
	resp, err := c.do(ctx, request{
		method: http.MethodGet, path: "/v2/members", repeatable: true,
		decode: func(_ http.Header, status int, body []byte) (_ *Response, err error) {
			found, err = decodeMembers(status, body)
			return new(Response), err
		},
	})
	if err != nil {
		return nil, err
	}
	found.Endpoint = resp.Endpoint
	return found, nil
}

func decodeMembers(status int, body []byte) (*Membership, error) {
	if status != http.StatusOK {
		return nil, decodeError(status, body)
	}
	m := &Membership{Raw: body}
	if err := json.Unmarshal(body, m); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	if len(m.Members) == 0 {
		return nil, fmt.Errorf("%w: no members", errNoAnswer)
	}
	return m, nil
}
