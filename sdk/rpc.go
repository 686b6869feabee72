package sdk

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"

	"github.com/wobcompute/wobcompute/wob/appapi"
)

// message is any JSON-RPC 2.0 message.
type message struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *rpcError       `json:"error,omitempty"`
}

// rpcError is the error member of an answer.
type rpcError struct {
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data,omitempty"`
}

func (e *rpcError) Error() string { return fmt.Sprintf("%s (%d)", e.Message, e.Code) }

// Unwrap tells the protocol's errors by their codes.
func (e *rpcError) Unwrap() error {
	switch e.Code {
	case appapi.CodeUnknownWOB:
		return ErrUnknownWOB
	case appapi.CodeUnanswered:
		return ErrUnanswered
	case appapi.CodeUndeliverable:
		return ErrUndeliverable
	case appapi.CodeChildOut:
		return ErrChildOut
	}
	return nil
}

// toRPC makes the error member for an error that a callback returned.
func toRPC(err error) *rpcError {
	var e *rpcError
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, ErrUnknownOffer):
		return &rpcError{Code: appapi.CodeUnknownOffer, Message: err.Error()}
	}
	return &rpcError{Code: appapi.CodeInternal, Message: err.Error()}
}

// conn is the application's end of the protocol.
type conn struct {
	in *bufio.Reader

	wmu sync.Mutex // guards out: one message a line
	out io.Writer

	mu     sync.Mutex // guards what follows
	nextID uint64
	calls  map[uint64]chan message
	closed bool
}

func newConn(in io.Reader, out io.Writer) *conn {
	return &conn{in: bufio.NewReaderSize(in, 64<<10), out: out, calls: make(map[uint64]chan message)}
}

// write sends one message; it fails when it is too long for the protocol.
func (c *conn) write(m any) error {
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(m); err != nil {
		return err
	}
	if line.Len() > appapi.MaxLine {
		return fmt.Errorf("message of %d bytes, at most %d are allowed: large data is to be kept elsewhere", line.Len(), appapi.MaxLine)
	}
	c.wmu.Lock()
	defer c.wmu.Unlock()
	_, err := c.out.Write(line.Bytes())
	return err
}

// outgoing is a message with parameters or a result of any type.
type outgoing struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  any             `json:"params,omitempty"`
	Result  any             `json:"result,omitempty"`
	Error   *rpcError       `json:"error,omitempty"`
}

// answer answers a request of the middleware.
func (c *conn) answer(id json.RawMessage, result any, err error) error {
	if err != nil {
		return c.write(outgoing{JSONRPC: "2.0", ID: id, Error: toRPC(err)})
	}
	if werr := c.write(outgoing{JSONRPC: "2.0", ID: id, Result: result}); werr != nil {
		return c.write(outgoing{JSONRPC: "2.0", ID: id, Error: toRPC(werr)})
	}
	return nil
}

// notify sends a notification.
func (c *conn) notify(method string, params any) error {
	return c.write(outgoing{JSONRPC: "2.0", Method: method, Params: params})
}

// send makes a request; its answer comes on the channel, which is closed when there will be none.
func (c *conn) send(method string, params any) (<-chan message, error) {
	ch := make(chan message, 1)
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, ErrClosed
	}
	c.nextID++
	id := c.nextID
	c.calls[id] = ch
	c.mu.Unlock()
	err := c.write(outgoing{JSONRPC: "2.0", ID: json.RawMessage(strconv.FormatUint(id, 10)), Method: method, Params: params})
	if err != nil {
		c.mu.Lock()
		delete(c.calls, id)
		c.mu.Unlock()
		return nil, err
	}
	return ch, nil
}

// read hands requests and notifications to handle, answers to those who wait for them, until
// the input ends (nil) or cannot be read.
func (c *conn) read(handle func(message)) error {
	defer c.end()
	for {
		line, err := c.in.ReadBytes('\n')
		if len(line) > 1 {
			c.receive(line, handle)
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

func (c *conn) receive(line []byte, handle func(message)) {
	var m message
	if err := json.Unmarshal(line, &m); err != nil {
		// One line that is not JSON must not end the application: say so and go on.
		_ = c.answer(json.RawMessage("null"), nil, &rpcError{Code: appapi.CodeParse, Message: err.Error()})
		return
	}
	if m.Method != "" {
		handle(m)
		return
	}
	id, err := strconv.ParseUint(string(m.ID), 10, 64)
	if err != nil {
		return
	}
	c.mu.Lock()
	ch := c.calls[id]
	delete(c.calls, id)
	c.mu.Unlock()
	if ch != nil {
		ch <- m
	}
}

// end fails all open calls.
func (c *conn) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for id, ch := range c.calls {
		delete(c.calls, id)
		close(ch)
	}
}
