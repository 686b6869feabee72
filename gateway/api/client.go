package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	httppeeridauth "github.com/libp2p/go-libp2p/p2p/http/auth"
)

// Client calls one gateway. URL is the gateway's address as people give it, without
// /api/v1. Owner calls need Token, member calls need Key (the node's identity). Set
// the fields before the first call; the calls may run side by side. Nothing is retried:
// that is the caller's decision.
type Client struct {
	URL   string
	Token string         // owner token
	Key   crypto.PrivKey // the node's private key, for member calls
	HTTP  *http.Client   // nil for one with sensible time-outs
	// Timeout bounds one call; 0 means DefaultTimeout. Packages and events are bounded
	// by their context alone.
	Timeout time.Duration

	once sync.Once
	auth *httppeeridauth.ClientPeerIDAuth

	mu     sync.Mutex // guards server
	server peer.ID
}

// DefaultTimeout bounds one call of a client: long enough for a WOB of 8 MiB over a
// slow line.
const DefaultTimeout = 30 * time.Second

// New returns a client for owner calls (with a token) and calls open to all.
func New(url, token string) *Client { return &Client{URL: url, Token: token} }

// NewMember returns a client for a node's calls, authenticated by its peer ID.
func NewMember(url string, key crypto.PrivKey) *Client { return &Client{URL: url, Key: key} }

var defaultHTTP = sync.OnceValue(func() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = DefaultTimeout
	t.MaxIdleConnsPerHost = 8
	t.MaxResponseHeaderBytes = 64 << 10
	return &http.Client{Transport: t, CheckRedirect: noRedirect}
})

// noRedirect keeps tokens and bodies from travelling to another server.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// who says whose credentials a call carries.
type who int

const (
	asAnyone who = iota
	asOwner
	asMember
	asEither // the owner's if there is a token, the node's otherwise
)

// call is one request. A nil in means no body; a nil out drops the answer's body.
type call struct {
	method, path string
	who          who
	in           any // []byte is sent as it is
	out          any // *[]byte takes the body as it is
}

// do performs c and returns the HTTP status of a successful answer (2xx). Errors are
// a *Problem, or wrap ErrDown or the context's error.
func (c *Client) do(ctx context.Context, q call) (int, error) {
	timeout := c.Timeout
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	resp, err := c.send(ctx, q)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxAnswer+1))
	switch {
	case err != nil:
		return 0, c.down(ctx, err)
	case len(body) > MaxAnswer:
		return 0, c.down(ctx, fmt.Errorf("an answer of more than %d bytes", MaxAnswer))
	case resp.StatusCode/100 != 2:
		return resp.StatusCode, c.problem(resp.StatusCode, body)
	}
	switch out := q.out.(type) {
	case nil:
	case *[]byte:
		*out = body
	default:
		if resp.StatusCode == http.StatusNoContent {
			break
		}
		if err := json.Unmarshal(body, out); err != nil {
			return 0, c.down(ctx, fmt.Errorf("the answer to %s %s is not understood: %w", q.method, q.path, err))
		}
	}
	return resp.StatusCode, nil
}

// send performs the request and returns the answer, whatever its status.
func (c *Client) send(ctx context.Context, q call) (*http.Response, error) {
	req, err := c.request(ctx, q)
	if err != nil {
		return nil, err
	}
	client := c.HTTP
	if client == nil {
		client = defaultHTTP()
	}
	owner := q.who == asOwner || q.who == asEither && c.Token != ""
	if q.who == asAnyone || owner {
		if owner {
			req.Header.Set("Authorization", "Bearer "+c.Token)
		}
		resp, err := client.Do(req)
		if err != nil {
			return nil, c.down(ctx, err)
		}
		return resp, nil
	}
	if c.Key == nil {
		return nil, NewProblem(http.StatusUnauthorized, CodeUnauthorized,
			"this call is a node's and the client has no identity", "")
	}
	c.once.Do(func() { c.auth = &httppeeridauth.ClientPeerIDAuth{PrivKey: c.Key} })
	id, resp, err := c.auth.AuthenticatedDo(client, req)
	if err != nil {
		return nil, c.down(ctx, err)
	}
	c.mu.Lock()
	c.server = id
	c.mu.Unlock()
	return resp, nil
}

// Server returns the peer ID that the gateway proved in the last member call, "" before.
func (c *Client) Server() peer.ID {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.server
}

func (c *Client) request(ctx context.Context, q call) (*http.Request, error) {
	base, err := url.Parse(strings.TrimRight(c.URL, "/"))
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, &DownError{URL: c.URL, Err: errors.New("not an http or https URL")}
	}
	base.Fragment = "" // join links pin the project there
	var body []byte
	switch in := q.in.(type) {
	case nil:
	case []byte:
		body = in
	default:
		if body, err = json.Marshal(in); err != nil {
			return nil, fmt.Errorf("encode %s %s: %w", q.method, q.path, err)
		}
	}
	// A Reader of bytes gives the request GetBody, which the peer ID handshake needs.
	req, err := http.NewRequestWithContext(ctx, q.method, strings.TrimRight(base.String(), "/")+"/api/v1"+q.path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", q.method, q.path, err)
	}
	if q.in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	return req, nil
}

func (c *Client) down(ctx context.Context, err error) error {
	if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		err = errors.Join(err, ctx.Err())
	}
	var ue *url.Error
	if errors.As(err, &ue) { // the URL is named already
		err = ue.Err
	}
	return &DownError{URL: c.URL, Err: err}
}

// problem reads an error answer. One that is not a problem document comes from
// something else that listens there, or from a proxy.
func (c *Client) problem(status int, body []byte) error {
	p := new(Problem)
	if json.Unmarshal(body, p) == nil && p.Code != "" {
		p.Status = status
		return p
	}
	if status == http.StatusUnauthorized || status == http.StatusBadRequest {
		return NewProblem(status, CodeUnauthorized, fmt.Sprintf("%s: authentication failed", c.URL), "check the token or the node's clock")
	}
	return &DownError{URL: c.URL, Err: fmt.Errorf("HTTP %d, not a gateway's answer: %.80q", status, body)}
}
