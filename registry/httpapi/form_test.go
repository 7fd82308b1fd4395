package httpapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// parse runs readForm on a PUT.
func parseForm(t *testing.T, query, contentType, body string) (*form, error) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPut, "/v2/keys/a", strings.NewReader(body))
	r.URL.RawQuery = query
	r.Header.Set("Content-Type", contentType)
	return readForm(httptest.NewRecorder(), r, DefaultMaxBody)
}

// FuzzForm compares our parser with net/http's, which etcd uses.
func FuzzForm(f *testing.F) {
	f.Add("prevExist=true&ttl=1", formType, "value=a&ttl=5")
	f.Add("value=%zz&value=1", formType, "value=a+b%20c&&=x&ttl")
	f.Add("a;b=1&dir=true", "application/x-www-form-urlencoded; param=value", "value=1;2&dir=%")
	f.Add("value=%E4%B8%96", "text/plain", "value=lost")
	f.Add("", "a;;b", "value=1")
	f.Add("", formType+"; charset", "value=1")
	f.Fuzz(func(t *testing.T, query, contentType, body string) {
		if strings.HasPrefix(contentType, "multipart/") {
			return // parsed only on request, by neither
		}
		got, err := parseForm(t, query, contentType, body)

		oracle := httptest.NewRequest(http.MethodPut, "/v2/keys/a", strings.NewReader(body))
		oracle.URL.RawQuery = query
		oracle.Header.Set("Content-Type", contentType)
		oracleErr := oracle.ParseForm()

		if (err == nil) != (oracleErr == nil) || err != nil && err.Error() != oracleErr.Error() {
			t.Fatalf("error %v, net/http says %v", err, oracleErr)
		}
		if err != nil {
			return // the request is refused, whatever has been parsed
		}
		for id, name := range fieldNames {
			want, given := oracle.Form[name]
			if given != got.given[id] || given && want[0] != got.values[id] {
				t.Errorf("%s: got %q (given %v), net/http has %q", name, got.values[id], got.given[id], want)
			}
		}
	})
}

func TestFormOnlyInBodiesOfWrites(t *testing.T) {
	r := httptest.NewRequest(http.MethodDelete, "/v2/keys/a?dir=true", strings.NewReader("recursive=true"))
	r.Header.Set("Content-Type", formType)
	f, err := readForm(httptest.NewRecorder(), r, DefaultMaxBody)
	if err != nil || f.given[fieldRecursive] || !f.given[fieldDir] {
		t.Errorf("form of a DELETE: recursive %v, dir %v, error %v; want false, true, none",
			f.given[fieldRecursive], f.given[fieldDir], err)
	}
}
