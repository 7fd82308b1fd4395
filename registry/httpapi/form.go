package httpapi

import (
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"rollcall/registry"
)

// field is a parameter of the keys API.
type field int

const (
	fieldValue field = iota
	fieldTTL
	fieldDir
	fieldPrevExist
	fieldPrevValue
	fieldPrevIndex
	fieldRefresh
	fieldNoValueOnSuccess
	fieldRecursive
	fieldSorted
	fieldQuorum
	fieldWait
	fieldWaitIndex
	fieldStream
	nFields
)

var fieldNames = [nFields]string{
	"value", "ttl", "dir", "prevExist", "prevValue", "prevIndex", "refresh", "noValueOnSuccess",
	"recursive", "sorted", "quorum", "wait", "waitIndex", "stream",
}

var fieldByName = func() map[string]field {
	byName := make(map[string]field, nFields)
	for f, name := range fieldNames {
		byName[name] = field(f)
	}
	return byName
}()

// form holds the raw parameters of a request. Of a parameter given twice the first
// counts; the body comes before the query. Unknown parameters are passed over.
type form struct {
	values [nFields]string
	given  [nFields]bool
}

var errSemicolon = errors.New("invalid semicolon separator in query")

// add reads URL-encoded pairs. It goes on after a malformed pair and returns the
// error that [url.ParseQuery] would: a semicolon, else the first bad escape.
func (f *form) add(query string) error {
	var worst error
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if err := f.addPair(pair); worst == nil || errors.Is(err, errSemicolon) {
			worst = err
		}
	}
	return worst
}

func (f *form) addPair(pair string) error {
	if pair == "" {
		return nil
	}
	if strings.Contains(pair, ";") {
		return errSemicolon
	}
	name, value, _ := strings.Cut(pair, "=")
	name, err := unescape(name)
	if err != nil {
		return err
	}
	if value, err = unescape(value); err != nil {
		return err
	}
	if id, known := fieldByName[name]; known && !f.given[id] {
		f.values[id], f.given[id] = value, true
	}
	return nil
}

func unescape(s string) (string, error) {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s, nil
	}
	return url.QueryUnescape(s)
}

// bodies is a pool of buffers for request bodies of ordinary size.
var bodies = sync.Pool{New: func() any { b := make([]byte, 0, 512); return &b }}

// readForm reads the parameters of a request. Only PUT and POST have a form in their
// body, and only with the content type of forms.
func readForm(w http.ResponseWriter, r *http.Request, maxBody int64) (*form, error) {
	f := new(form)
	var err error
	if r.Method == http.MethodPut || r.Method == http.MethodPost {
		err = f.readBody(w, r, maxBody)
	}
	if e := f.add(r.URL.RawQuery); err == nil {
		err = e
	}
	return f, err
}

const formType = "application/x-www-form-urlencoded"

func (f *form) readBody(w http.ResponseWriter, r *http.Request, maxBody int64) error {
	if ct := r.Header.Get("Content-Type"); ct != formType {
		if ct == "" {
			return nil
		}
		kind, _, err := mime.ParseMediaType(ct)
		if err != nil || kind != formType {
			return err
		}
	}
	buf := bodies.Get().(*[]byte)
	defer bodies.Put(buf)
	body, err := appendAll((*buf)[:0], http.MaxBytesReader(w, r.Body, maxBody))
	if cap(body) <= 1<<16 {
		*buf = body
	}
	if err != nil {
		return err
	}
	return f.add(string(body))
}

// appendAll is io.ReadAll into a buffer.
func appendAll(b []byte, r io.Reader) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}

// params are a request's parameters, checked.
type params struct {
	value, prevValue     string
	prevIndex, waitIndex uint64
	ttl                  time.Duration // as in registry.PutOptions
	exist                registry.Presence

	recursive, wait, dir, quorum, stream bool
	noValueOnSuccess, refresh            bool
}

// checker collects params from a form and keeps the first complaint.
type checker struct {
	form *form
	err  *registry.Error
}

// check converts a form. Every field is checked whatever the method, in etcd's
// order, since of several bad fields the first is answered.
func (f *form) check(method string) (params, *registry.Error) {
	c := checker{form: f}
	p := params{value: f.values[fieldValue], prevValue: f.values[fieldPrevValue]}
	p.prevIndex = c.index(fieldPrevIndex)
	p.waitIndex = c.index(fieldWaitIndex)
	p.recursive = c.boolean(fieldRecursive, quoted)
	c.boolean(fieldSorted, quoted) // listings are always sorted
	p.wait = c.boolean(fieldWait, quoted)
	p.dir = c.boolean(fieldDir, quoted)
	p.quorum = c.boolean(fieldQuorum, quoted)
	p.stream = c.boolean(fieldStream, quoted)
	if p.wait && method != http.MethodGet {
		c.fail(registry.CodeInvalidField, `"wait" can only be used with GET requests`)
	}
	if f.given[fieldPrevValue] && p.prevValue == "" {
		c.fail(registry.CodePrevValueNeeded, `"prevValue" cannot be empty`)
	}
	p.noValueOnSuccess = c.boolean(fieldNoValueOnSuccess, quoted)
	p.ttl = c.ttl()
	if f.given[fieldPrevExist] {
		p.exist = registry.MustNotExist
		if c.boolean(fieldPrevExist, bare) {
			p.exist = registry.MustExist
		}
	}
	if p.refresh = c.boolean(fieldRefresh, bare); p.refresh {
		c.refresh()
	}
	return p, c.err
}

func (c *checker) fail(code registry.Code, cause string) {
	if c.err == nil {
		c.err = &registry.Error{Code: code, Cause: cause}
	}
}

// etcd quotes the name of a bad field in some messages and not in others.
const (
	quoted = `invalid value for "%s"`
	bare   = `invalid value for %s`
)

func (c *checker) boolean(id field, complaint string) bool {
	if !c.form.given[id] {
		return false
	}
	b, err := strconv.ParseBool(c.form.values[id])
	if err != nil {
		c.fail(registry.CodeInvalidField, fmt.Sprintf(complaint, fieldNames[id]))
	}
	return b
}

func (c *checker) index(id field) uint64 {
	if !c.form.given[id] {
		return 0
	}
	i, err := strconv.ParseUint(c.form.values[id], 10, 64)
	if err != nil {
		c.fail(registry.CodeIndexNaN, fmt.Sprintf(quoted, fieldNames[id]))
	}
	return i
}

// lastSecond is the last second that etcd's clock can count to, in the year 2262. A
// lease that ends later has no end, there and here.
const lastSecond = math.MaxInt64 / int64(time.Second)

func (c *checker) ttl() time.Duration {
	text := c.form.values[fieldTTL]
	if text == "" {
		return 0
	}
	seconds, err := strconv.ParseUint(text, 10, 64)
	switch {
	case err != nil:
		c.fail(registry.CodeTTLNaN, `invalid value for "ttl"`)
		return 0
	case seconds == 0:
		return registry.EndAtOnce
	case seconds > 1<<32 && seconds > uint64(lastSecond-time.Now().Unix()):
		return 0
	default:
		return time.Duration(seconds) * time.Second
	}
}

func (c *checker) refresh() {
	if c.form.values[fieldValue] != "" {
		c.fail(registry.CodeRefreshValue, "A value was provided on a refresh")
	}
	if c.form.values[fieldTTL] == "" {
		c.fail(registry.CodeRefreshTTL, "No TTL value set")
	}
}
