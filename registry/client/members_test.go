package client

import (
	"net/http"
	"slices"
	"testing"
)

func TestMembers(t *testing.T) {
	t.Parallel()
	body := `{"members":[{"id":"1f","name":"dot","peerURLs":["http://10.0.0.1:7946"],"clientURLs":["http://10.0.0.1:4001"]},` +
		`{"id":"2f","name":"dash","peerURLs":[],"clientURLs":[]}]}` + "\n"
	c, f := newFake(t, Options{}, says(http.StatusOK, 0, body))
	got, err := c.Members(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.Endpoint != "http://a" || string(got.Raw) != body || len(got.Members) != 2 {
		t.Errorf("membership %+v", got)
	}
	dot := got.Members[0]
	if dot.ID != "1f" || dot.Name != "dot" || !slices.Equal(dot.ClientURLs, []string{"http://10.0.0.1:4001"}) ||
		!slices.Equal(dot.PeerURLs, []string{"http://10.0.0.1:7946"}) {
		t.Errorf("member %+v", dot)
	}
	if asked := f.takeAsked(); !slices.Equal(asked, []string{"a GET /v2/members"}) {
		t.Errorf("asked %v", asked)
	}
}

// TestMembersOfAnotherNode: what is not an answer leads to the next node.
func TestMembersOfAnotherNode(t *testing.T) {
	t.Parallel()
	good := says(http.StatusOK, 0, `{"members":[{"name":"dash"}]}`)
	for failure, node := range map[string]nodeFunc{
		"refused":       refused,
		"cut":           cut,
		"proxy":         says(http.StatusOK, 0, "<html>"),
		"other service": says(http.StatusOK, 0, `{"status":"ok"}`),
		"old server":    says(http.StatusNotFound, 0, "404 page not found"),
		"in trouble":    says(http.StatusInternalServerError, 0, `{"message":"no"}`),
	} {
		c, _ := newFake(t, Options{}, node, good)
		got, err := c.Members(t.Context())
		if err != nil || got.Endpoint != "http://b" || got.Members[0].Name != "dash" {
			t.Errorf("%s: %+v, %v; want the second node's answer", failure, got, err)
		}
		c, _ = newFake(t, Options{Rounds: 1}, node)
		if got, err := c.Members(t.Context()); !IsUnavailable(err) || got != nil {
			t.Errorf("%s: %+v, %v; want no node", failure, got, err)
		}
	}
}
