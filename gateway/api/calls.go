package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/wobcompute/wobcompute/wob"
)

func esc(s string) string { return url.PathEscape(s) }

// Project fetches the signed descriptor, byte for byte. The caller verifies it.
func (c *Client) Project(ctx context.Context) ([]byte, error) {
	var raw []byte
	_, err := c.do(ctx, call{method: "GET", path: "/project", out: &raw})
	return raw, err
}

// App streams an application package into w and returns its bytes, at most MaxApp.
// The caller verifies size and hash.
func (c *Client) App(ctx context.Context, name, version string, w io.Writer) (int64, error) {
	resp, err := c.send(ctx, call{method: "GET", path: "/apps/" + esc(name) + "/" + esc(version)})
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, MaxBody))
		return 0, c.problem(resp.StatusCode, body)
	}
	n, err := io.Copy(w, io.LimitReader(resp.Body, MaxApp+1))
	if err == nil && n > MaxApp {
		err = fmt.Errorf("package %s %s is larger than %d bytes", name, version, MaxApp)
	}
	if err != nil && ctx.Err() == nil {
		return n, c.down(ctx, err)
	}
	return n, err
}

// Enrol makes the client's peer a member of the project; again it answers the same.
func (c *Client) Enrol(ctx context.Context) (Member, error) {
	var m Member
	_, err := c.do(ctx, call{method: "POST", path: "/members", who: asMember, in: struct{}{}, out: &m})
	return m, err
}

// Clusters asks where to join. Only a node that others can dial is public and may be
// asked to found the first cluster.
func (c *Client) Clusters(ctx context.Context, public bool) (Where, error) {
	var a Where
	path := "/clusters"
	if public {
		path += "?public=1"
	}
	_, err := c.do(ctx, call{method: "GET", path: path, who: asMember, out: &a})
	return a, err
}

// PutStatus reports a cluster. A lost compare-and-swap is a *Problem with status 409,
// code superseded and the gateway's epoch.
func (c *Client) PutStatus(ctx context.Context, s ClusterStatus) (StatusAnswer, error) {
	var a StatusAnswer
	_, err := c.do(ctx, call{method: "PUT", path: "/clusters/" + esc(s.View.Cluster), who: asMember, in: s, out: &a})
	return a, err
}

// Inject submits a primary WOB under an id of the caller's making. created is false
// when the same job was there before; other content under that id is a 409.
func (c *Client) Inject(ctx context.Context, id wob.ID, in Injection) (created bool, err error) {
	status, err := c.do(ctx, call{method: "PUT", path: "/wobs/" + esc(string(id)), who: asOwner, in: in})
	return status == http.StatusCreated, err
}

// WOBs lists the roots, oldest injection first.
func (c *Client) WOBs(ctx context.Context) ([]Root, error) {
	var a Roots
	_, err := c.do(ctx, call{method: "GET", path: "/wobs", who: asOwner, out: &a})
	return a.WOBs, err
}

// WOB tells what is known of one WOB, its location included.
func (c *Client) WOB(ctx context.Context, id wob.ID) (Root, error) {
	var a Root
	_, err := c.do(ctx, call{method: "GET", path: "/wobs/" + esc(string(id)), who: asOwner, out: &a})
	return a, err
}

// Tree returns a root and what the overlay knows to be alive below it.
func (c *Client) Tree(ctx context.Context, id wob.ID) (Node, error) {
	var a Node
	_, err := c.do(ctx, call{method: "GET", path: "/wobs/" + esc(string(id)) + "/tree", who: asOwner, out: &a})
	return a, err
}

// Result returns a root's result, or its state while there is none.
func (c *Client) Result(ctx context.Context, id wob.ID) (Result, error) {
	var a Result
	_, err := c.do(ctx, call{method: "GET", path: "/wobs/" + esc(string(id)) + "/result", who: asOwner, out: &a})
	return a, err
}

// Cancel cancels a root. A root that is finished is a 409.
func (c *Client) Cancel(ctx context.Context, id wob.ID) error {
	_, err := c.do(ctx, call{method: "DELETE", path: "/wobs/" + esc(string(id)), who: asOwner})
	return err
}

// TakeWork takes a WOB under a lease, nil if there is none to be had. Of apps, nil
// means any application.
func (c *Client) TakeWork(ctx context.Context, apps []string) (*Work, error) {
	w := new(Work)
	status, err := c.do(ctx, call{method: "POST", path: "/work", who: asMember, in: WorkRequest{Apps: apps}, out: w})
	if err != nil || status == http.StatusNoContent {
		return nil, err
	}
	if w.WOB == nil {
		return nil, &DownError{URL: c.URL, Err: fmt.Errorf("work without a WOB: %w", wob.ErrMissing)}
	}
	if err := w.WOB.Validate(); err != nil {
		return nil, &DownError{URL: c.URL, Err: err}
	}
	return w, nil
}

// RenewLease renews the lease of a root. 409 means that a newer incarnation holds it,
// 410 that it was cancelled.
func (c *Client) RenewLease(ctx context.Context, id wob.ID, r Renewal) (Lease, error) {
	var l Lease
	_, err := c.do(ctx, call{method: "PUT", path: "/roots/" + esc(string(id)) + "/lease", who: asMember, in: r, out: &l})
	return l, err
}

// ReleaseLease hands a root back: the next TakeWork by anybody gets it at once.
func (c *Client) ReleaseLease(ctx context.Context, id wob.ID, inc wob.Incarnation) error {
	_, err := c.do(ctx, call{method: "DELETE", path: "/roots/" + esc(string(id)) + "/lease", who: asMember, in: Release{Inc: inc}})
	return err
}

// PutResult delivers a root that is finished, failed or cancelled. accepted is false
// when the root was over before; the holder drops it either way.
func (c *Client) PutResult(ctx context.Context, w *wob.WOB) (accepted bool, err error) {
	body, err := w.Encode()
	if err != nil {
		return false, err
	}
	var a Accepted
	_, err = c.do(ctx, call{method: "PUT", path: "/roots/" + esc(string(w.ID)) + "/result", who: asMember, in: body, out: &a})
	return a.Accepted, err
}

// PutFailsafe stores a WOB with the gateway. A snapshot older than the stored one is
// a 409 with the newer one's stamp; one of a cancelled root a 410.
func (c *Client) PutFailsafe(ctx context.Context, w *wob.WOB) error {
	body, err := w.Encode()
	if err != nil {
		return err
	}
	_, err = c.do(ctx, call{method: "PUT", path: "/failsafe/" + esc(string(w.ID)), who: asMember, in: body})
	return err
}

// Failsafe reads one WOB of the failsafe store.
func (c *Client) Failsafe(ctx context.Context, id wob.ID) (*wob.WOB, error) {
	var raw []byte
	if _, err := c.do(ctx, call{method: "GET", path: "/failsafe/" + esc(string(id)), who: asEither, out: &raw}); err != nil {
		return nil, err
	}
	w, err := wob.Decode(raw)
	if err != nil {
		return nil, &DownError{URL: c.URL, Err: err}
	}
	return w, nil
}

// FailsafeList lists the failsafe store, ordered by id.
func (c *Client) FailsafeList(ctx context.Context) ([]FailsafeEntry, error) {
	var a FailsafeList
	_, err := c.do(ctx, call{method: "GET", path: "/failsafe", who: asEither, out: &a})
	return a.WOBs, err
}

// Health tells that the gateway answers, and how it is.
func (c *Client) Health(ctx context.Context) (Health, error) {
	var h Health
	_, err := c.do(ctx, call{method: "GET", path: "/healthz", out: &h})
	return h, err
}

func lastEvent(after uint64) string { return strconv.FormatUint(after, 10) }
