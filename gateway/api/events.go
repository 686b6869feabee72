package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Events follows the gateway's event stream and calls fn for each event after the one
// numbered after (0: from now on), until fn or the stream fails or ctx ends. The
// gateway keeps the last 1000; a reader sees a gap in the ids if it fell behind more.
func (c *Client) Events(ctx context.Context, after uint64, fn func(Event) error) error {
	req, err := c.request(ctx, call{method: "GET", path: "/events"})
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Authorization", "Bearer "+c.Token)
	if after > 0 {
		req.Header.Set("Last-Event-ID", lastEvent(after))
	}
	client := c.HTTP
	if client == nil {
		client = defaultHTTP()
	}
	resp, err := client.Do(req)
	if err != nil {
		return c.down(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, MaxBody))
		return c.problem(resp.StatusCode, body)
	}
	s := bufio.NewScanner(resp.Body)
	s.Buffer(make([]byte, 0, 4096), MaxBody)
	for s.Scan() {
		data, ok := bytes.CutPrefix(s.Bytes(), []byte("data: ")) // ids and types are in the data too
		if !ok {
			continue
		}
		var e Event
		if err := json.Unmarshal(data, &e); err != nil {
			return fmt.Errorf("event stream: %w", err)
		}
		if err := fn(e); err != nil {
			return err
		}
	}
	err = s.Err()
	if err == nil {
		err = errors.New("the event stream ended")
	}
	return c.down(ctx, err)
}
