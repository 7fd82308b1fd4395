package nginx

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"text/template"
	"time"
)

const (
	// generationPath is where a file's own server tells the generation.
	generationPath = "/rollcall-gen"
	// answersWanted is how many new connections must be answered alike to call that nginx's answer: while it exchanges
	// its workers, old and new ones take turns.
	answersWanted = 3
	// askTimeout is for one answer, which takes less than a millisecond.
	askTimeout = time.Second
	// askLimit is how much of an answer is read, in bytes: somebody else may listen there.
	askLimit = 256
	// mixedLimit is how long answers are asked for that agree. The exchange of workers takes 100 ms.
	mixedLimit = 500 * time.Millisecond
	// mixedPause is the pause meanwhile.
	mixedPause = 25 * time.Millisecond
)

//go:embed generation.conf.tmpl
var generationText string

var (
	generationTemplate = template.Must(template.New("generation").Parse(generationText))
	generationForm     = regexp.MustCompile(`^[0-9a-f]{16}\n$`)
)

// A marker is how a file carries its generation, and how nginx is asked for it. Its names are made of the file's path:
// another file of lbsync may be included by the same nginx, and may even tell its generation at the same address.
type marker struct {
	Variable   string
	ServerName string
	Verify     string // IP:PORT, or empty: nginx does not tell
	client     *http.Client
}

func newMarker(config, verify string) marker {
	sum := sha256.Sum256([]byte(filepath.Clean(config)))
	id := hex.EncodeToString(sum[:4])
	return marker{
		Variable:   "$rollcall_gen_" + id,
		ServerName: "rollcall-" + id,
		Verify:     verify,
		client: &http.Client{
			Timeout: askTimeout,
			Transport: &http.Transport{
				DisableKeepAlives: true, // A kept connection leads to an old worker.
				DialContext:       (&net.Dialer{Timeout: askTimeout}).DialContext,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// write appends the marker to upstream blocks.
func (m marker) write(upstreams []byte, generation string) ([]byte, error) {
	var out bytes.Buffer
	out.Write(bytes.TrimRight(upstreams, "\n"))
	out.WriteByte('\n')
	err := generationTemplate.Execute(&out, struct {
		marker
		Path, Generation string
	}{m, generationPath, generation})
	if err != nil {
		return nil, fmt.Errorf("generation: %w", err)
	}
	return out.Bytes(), nil
}

// of returns the generation that a file carries, or "".
func (m marker) of(file []byte) string {
	_, rest, _ := bytes.Cut(file, []byte(`map "" `+m.Variable+` { default "`))
	generation, _, found := bytes.Cut(rest, []byte(`"; }`))
	if !found {
		return ""
	}
	return string(generation)
}

// served returns the generation that nginx serves, or "" when whoever answers tells none. While answers differ, which they
// do during an exchange of workers, it waits; in the end one that is not the wanted one counts.
func (m marker) served(ctx context.Context, wanted string) (string, error) {
	for deadline := time.Now().Add(mixedLimit); ; {
		answer, agree, err := m.askAll(ctx, wanted)
		if err != nil || agree || time.Now().After(deadline) {
			return answer, err
		}
		select {
		case <-time.After(mixedPause):
		case <-ctx.Done():
			return answer, ctx.Err()
		}
	}
}

// askAll asks several times. It returns an answer that is not the wanted one if there was any, and whether all were equal.
func (m marker) askAll(ctx context.Context, wanted string) (answer string, agree bool, err error) {
	seen := map[string]bool{}
	answer = wanted
	for range answersWanted {
		one, err := m.ask(ctx)
		if err != nil {
			return "", false, err
		}
		seen[one] = true
		if one != wanted {
			answer = one
		}
	}
	return answer, len(seen) == 1, nil
}

// ask asks once, on a new connection.
func (m marker) ask(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+m.Verify+generationPath, http.NoBody)
	if err != nil {
		return "", err
	}
	req.Host = m.ServerName
	resp, err := m.client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }() // It has been read as far as it matters.
	text, err := io.ReadAll(io.LimitReader(resp.Body, askLimit))
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK || !generationForm.Match(text) {
		return "", nil
	}
	return string(text[:len(text)-1]), nil
}

// difference says in words how the served generation differs from the wanted one; empty when it does not.
func difference(served, wanted string) string {
	switch served {
	case wanted:
		return ""
	case "":
		return "serves no generation"
	default:
		return fmt.Sprintf("serves generation %s, not %s", served, wanted)
	}
}
