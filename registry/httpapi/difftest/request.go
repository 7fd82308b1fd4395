package difftest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// requestTimeout bounds every answer that is not a watch.
const requestTimeout = 15 * time.Second

const formType = "application/x-www-form-urlencoded"

// Request is one HTTP request. Its texts may hold references to earlier answers; see [Step].
type Request struct {
	Method string
	// Path is sent as it stands: it may hold escapes, double slashes and dots.
	Path string
	// Query is the raw query without its question mark.
	Query string
	Body  string
	// Type is the Content-Type; empty sends none.
	Type   string
	Header http.Header
}

// String shows the request on one line.
func (r Request) String() string {
	var b strings.Builder
	b.WriteString(r.Method + " " + r.Path)
	if r.Query != "" {
		b.WriteString("?" + r.Query)
	}
	if r.Body != "" {
		body := r.Body
		if len(body) > 100 {
			body = fmt.Sprintf("%s... (%d bytes)", body[:100], len(body))
		}
		fmt.Fprintf(&b, " -d %q", body)
		if r.Type != formType {
			fmt.Fprintf(&b, " (%s)", r.Type)
		}
	}
	for name, values := range r.Header {
		fmt.Fprintf(&b, " -H %q", name+": "+strings.Join(values, ","))
	}
	return b.String()
}

// param is the parameter's value as the server sees it, or "": the body wins, the first of duplicates wins.
func (r Request) param(name string) string {
	var forms []string
	if strings.HasPrefix(strings.ToLower(r.Type), formType) && r.Method != http.MethodGet && r.Method != http.MethodDelete {
		forms = append(forms, r.Body)
	}
	for _, form := range append(forms, r.Query) {
		values, err := url.ParseQuery(form)
		if err == nil && values.Has(name) {
			return values.Get(name)
		}
	}
	return ""
}

// build makes the request for a server at base, unclean paths included.
func (r Request) build(ctx context.Context, base string) (*http.Request, error) {
	var body io.Reader = http.NoBody
	if r.Body != "" {
		body = strings.NewReader(r.Body)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, base, body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.URL.Opaque = r.Path
	req.URL.RawQuery = r.Query
	if r.Type != "" {
		req.Header.Set("Content-Type", r.Type)
	}
	for name, values := range r.Header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	return req, nil
}

// do sends the request and reads the whole answer. A failure of the transport is an answer too: its text is compared.
func (r Request) do(ctx context.Context, target *Target) Answer {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	answer := Answer{Sent: r, Start: time.Now()}
	req, err := r.build(ctx, target.URL)
	if err != nil {
		return answer.failed(err)
	}
	res, err := target.client.RoundTrip(req)
	if err != nil {
		return answer.failed(err)
	}
	defer res.Body.Close()
	answer.Status, answer.Header = res.StatusCode, res.Header
	answer.Body, err = io.ReadAll(res.Body)
	answer.End = time.Now()
	if err != nil {
		return answer.failed(err)
	}
	return answer
}
