package admin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/node"
)

// ErrNotRunning is wrapped when no node runs with a data directory.
var ErrNotRunning = errors.New("the node is not running")

// maxAnswer bounds the bytes of an answer.
const maxAnswer = 16 << 20

// Client controls the running node of a data directory.
type Client struct {
	info Info
	http *http.Client
}

// Find returns a client for the node that runs with the data directory. The error wraps
// ErrNotRunning if none does, also if one died and left its InfoFile behind.
func Find(data string) (*Client, error) {
	notRunning := fmt.Errorf("%w (data directory %s): start it with `wob node run`", ErrNotRunning, data)
	file := filepath.Join(data, InfoFile)
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !locked(data) {
		return nil, notRunning
	}
	if err != nil {
		return nil, fmt.Errorf("find the node: %w", err)
	}
	c := &Client{http: &http.Client{Transport: &http.Transport{
		DialContext: (&net.Dialer{Timeout: 3 * time.Second}).DialContext, // no proxy: it is this machine
	}}}
	if err := json.Unmarshal(b, &c.info); err != nil || c.info.Addr == "" {
		return nil, fmt.Errorf("%s is damaged: restart the node, it writes a new one", file)
	}
	return c, nil
}

// Status asks for the node's state.
func (c *Client) Status(ctx context.Context) (node.Status, error) {
	var s node.Status
	return s, c.do(ctx, "GET", "/status", nil, &s)
}

// Pause suspends all work, for a while or (0) until Resume.
func (c *Client) Pause(ctx context.Context, d time.Duration) error {
	return c.do(ctx, "POST", "/pause", Pause{Seconds: d.Seconds()}, nil)
}

// Resume takes work again.
func (c *Client) Resume(ctx context.Context) error {
	return c.do(ctx, "POST", "/resume", struct{}{}, nil)
}

// Join makes the node take part in the project behind a gateway's URL.
func (c *Client) Join(ctx context.Context, gateway, pin string) (node.Membership, error) {
	var m node.Membership
	return m, c.do(ctx, "POST", "/projects", Join{URL: gateway, Pin: pin}, &m)
}

// Leave makes the node leave a project, named by ID, a prefix of it, or name.
func (c *Client) Leave(ctx context.Context, name string, grace time.Duration) error {
	return c.do(ctx, "DELETE", "/projects/"+url.PathEscape(name)+"?grace="+url.QueryEscape(grace.String()), nil, nil)
}

// Events calls fn with every event of the node from now on, until fn fails, ctx ends or
// the node stops (ErrNotRunning).
func (c *Client) Events(ctx context.Context, fn func(node.Event) error) error {
	resp, err := c.send(ctx, "GET", "/events", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		return problem(resp.StatusCode, b)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxAnswer)
	for lines.Scan() {
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
		if !ok {
			continue
		}
		var ev node.Event
		if err := json.Unmarshal(data, &ev); err != nil {
			return fmt.Errorf("event stream: %w", err)
		}
		if err := fn(ev); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("the event stream ended: %w", errors.Join(ErrNotRunning, lines.Err()))
}

func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	resp, err := c.send(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return c.down(ctx, err)
	}
	if resp.StatusCode/100 != 2 {
		return problem(resp.StatusCode, b)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("the node's answer to %s %s is not understood: %w", method, path, err)
	}
	return nil
}

func (c *Client) send(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body io.Reader = http.NoBody
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("encode %s %s: %w", method, path, err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+c.info.Addr+"/api/v1"+path, body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+c.info.Token)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.down(ctx, err)
	}
	return resp, nil
}

// down is the error of a node that has the data directory but does not answer.
func (c *Client) down(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("the node at %s did not answer in time: %w", c.info.Addr, ctx.Err())
	}
	return fmt.Errorf("%w: process %d does not answer at %s (%w); it may be starting or stopping, try again",
		ErrNotRunning, c.info.PID, c.info.Addr, err)
}

func problem(status int, body []byte) error {
	p := new(api.Problem)
	if json.Unmarshal(body, p) == nil && p.Code != "" {
		return p
	}
	return api.NewProblem(status, api.CodeInternal, fmt.Sprintf("the node answered HTTP %d: %.100q", status, body), "")
}
