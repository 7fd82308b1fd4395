package client

import (
	"context"
	"net/http"
	"time"
)

// GetOptions refine [Client.Get]. The zero value reads one key, or one level of a directory.
type GetOptions struct {
	Recursive bool // Directories below come with their children.
	Sorted    bool // Children are sorted by key, bytewise; else their order is arbitrary.
	Quorum    bool // Ask an etcd for a linearised read. A registry node accepts it and answers as always.
}

// Get reads a key or lists a directory.
func (c *Client) Get(ctx context.Context, key string, opts GetOptions) (*Response, error) {
	r, err := newRequest(http.MethodGet, key)
	if err != nil {
		return nil, err
	}
	r.repeatable = true
	setFlag(r.query, "recursive", opts.Recursive)
	setFlag(r.query, "sorted", opts.Sorted)
	setFlag(r.query, "quorum", opts.Quorum)
	return c.do(ctx, r)
}

// PrevExist is a condition on whether a key is there.
type PrevExist int

const (
	// PrevIgnore sets the key whether it is there or not.
	PrevIgnore PrevExist = iota
	// PrevPresent sets the key only if it is there.
	PrevPresent
	// PrevAbsent sets the key only if it is not there.
	PrevAbsent
)

// SetOptions refine [Client.Set]. The zero value sets a key, without conditions, for good.
type SetOptions struct {
	// TTL is the lifetime, in seconds rounded up. 0 means for good, also where the key had a TTL before.
	TTL time.Duration
	// PrevValue, PrevIndex and PrevExist are conditions; zero values are none. An empty value cannot be compared.
	// With PrevAbsent the other two do not count.
	PrevValue string
	PrevIndex uint64
	PrevExist PrevExist
	// Dir makes a directory; the value must be empty then.
	Dir bool
	// Refresh gives a present key a new TTL and leaves its value; the value must be empty then. No watcher wakes.
	Refresh bool
	// NoValueOnSuccess asks for an answer without the node: less to send for large values.
	NoValueOnSuccess bool
}

// repeatable tells whether the set ends in the same state when it is done twice. A set that only asks for the key's
// presence does; a comparison or an absent key holds the first time only.
func (o SetOptions) repeatable() bool {
	return o.PrevValue == "" && o.PrevIndex == 0 && o.PrevExist != PrevAbsent
}

// Set writes a key, under the conditions of the options, if any.
func (c *Client) Set(ctx context.Context, key, value string, opts SetOptions) (*Response, error) {
	r, err := newSet(key, value, opts)
	if err != nil {
		return nil, err
	}
	return c.do(ctx, r)
}

func newSet(key, value string, opts SetOptions) (request, error) {
	r, err := newRequest(http.MethodPut, key)
	if err != nil {
		return r, err
	}
	if err := setTTL(r.form, opts.TTL); err != nil {
		return r, err
	}
	r.repeatable = opts.repeatable()
	setValue(&r, value, opts.Dir || opts.Refresh)
	setString(r.form, "prevValue", opts.PrevValue)
	setIndex(r.form, "prevIndex", opts.PrevIndex)
	switch opts.PrevExist {
	case PrevPresent:
		r.form.Set("prevExist", "true")
	case PrevAbsent:
		r.form.Set("prevExist", "false")
	case PrevIgnore:
	}
	setFlag(r.form, "dir", opts.Dir)
	setFlag(r.form, "refresh", opts.Refresh)
	setFlag(r.form, "noValueOnSuccess", opts.NoValueOnSuccess)
	return r, nil
}

// setValue leaves out the empty value of what has none, but sends a wrong one, so that the node says what is wrong.
func setValue(r *request, value string, valueless bool) {
	if value != "" || !valueless {
		r.form.Set("value", value)
	}
}

// CreateOptions refine [Client.Create] and [Client.CreateInOrder].
type CreateOptions struct {
	TTL time.Duration // As in SetOptions.
	Dir bool          // Make a directory; the value must be empty then.
}

// Create writes a key that must not be there; see [IsExists].
func (c *Client) Create(ctx context.Context, key, value string, opts CreateOptions) (*Response, error) {
	return c.Set(ctx, key, value, SetOptions{TTL: opts.TTL, Dir: opts.Dir, PrevExist: PrevAbsent})
}

// CreateInOrder makes a key in a directory, with a name that sorts after all it has made there before. The name is in
// the answer. The directory is made when it is missing.
func (c *Client) CreateInOrder(ctx context.Context, dir, value string, opts CreateOptions) (*Response, error) {
	r, err := newRequest(http.MethodPost, dir)
	if err != nil {
		return nil, err
	}
	if err := setTTL(r.form, opts.TTL); err != nil {
		return nil, err
	}
	setValue(&r, value, opts.Dir)
	setFlag(r.form, "dir", opts.Dir)
	return c.do(ctx, r)
}

// UpdateOptions refine [Client.Update].
type UpdateOptions struct {
	TTL     time.Duration // As in SetOptions: 0 takes the TTL away.
	Dir     bool          // The key is a directory; the value must be empty then.
	Refresh bool          // As in SetOptions.
}

// Update writes a key that must be there; see [IsNotFound]. It keeps the key's CreatedIndex, which Set does not.
func (c *Client) Update(ctx context.Context, key, value string, opts UpdateOptions) (*Response, error) {
	return c.Set(ctx, key, value, SetOptions{
		TTL: opts.TTL, Dir: opts.Dir, Refresh: opts.Refresh, PrevExist: PrevPresent,
	})
}

// DeleteOptions refine [Client.Delete]. The zero value removes a file.
type DeleteOptions struct {
	Dir       bool // Also an empty directory.
	Recursive bool // Also a directory with all that is in it.
	// PrevValue and PrevIndex are conditions, for files alone; zero values are none.
	PrevValue string
	PrevIndex uint64
}

// Delete removes a key. When a node fails in the middle, the request is sent again; the answer may then be that the
// key is not found although it was this call that removed it.
func (c *Client) Delete(ctx context.Context, key string, opts DeleteOptions) (*Response, error) {
	r, err := newDelete(key, opts)
	if err != nil {
		return nil, err
	}
	return c.do(ctx, r)
}

func newDelete(key string, opts DeleteOptions) (request, error) {
	r, err := newRequest(http.MethodDelete, key)
	if err != nil {
		return r, err
	}
	r.repeatable = opts.PrevValue == "" && opts.PrevIndex == 0
	setFlag(r.query, "dir", opts.Dir)
	setFlag(r.query, "recursive", opts.Recursive)
	setString(r.query, "prevValue", opts.PrevValue)
	setIndex(r.query, "prevIndex", opts.PrevIndex)
	return r, nil
}
