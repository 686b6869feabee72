package app

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/wobcompute/wobcompute/wob/appapi"
)

// message is any JSON-RPC 2.0 message. Which kind it is follows from the fields present.
type message struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   json.RawMessage `json:"error,omitempty"`
}

// parse decodes a line of standard output. ok is false for what belongs into the log:
// a line that is not a JSON object or not JSON-RPC 2.0.
func parse(line []byte) (m message, ok bool) {
	if len(line) == 0 || line[0] != '{' {
		return message{}, false
	}
	if err := json.Unmarshal(line, &m); err != nil || m.JSONRPC != "2.0" {
		return message{}, false
	}
	return m, true
}

// rpcError decodes the error member of an answer; nil when there is none. An error that is not
// an object is kept as a message: the application meant to say that it failed.
func (m *message) rpcError() *RPCError {
	if isNull(m.Error) {
		return nil
	}
	e := new(RPCError)
	if err := json.Unmarshal(m.Error, e); err != nil {
		return &RPCError{Code: appapi.CodeInternal, Message: string(m.Error)}
	}
	if e.Code == 0 {
		e.Code = appapi.CodeInternal // an error it is, whatever the code
	}
	return e
}

// isNull reports whether a member is missing or null, which mean the same here.
func isNull(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// validID reports whether raw is a string or an integer, as the protocol asks of an id.
func validID(raw json.RawMessage) bool {
	if isNull(raw) {
		return false
	}
	if raw[0] == '"' {
		return true
	}
	return !bytes.ContainsAny(raw, "{}[].eEtfn")
}

// encode makes one line of a message. Its parts are marshalled compactly, so they hold no newline.
func encode(id json.RawMessage, method string, params, result any, rerr *RPCError) ([]byte, error) {
	m := struct {
		JSONRPC string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id,omitempty"`
		Method  string          `json:"method,omitempty"`
		Params  any             `json:"params,omitempty"`
		Result  any             `json:"result,omitempty"`
		Error   *RPCError       `json:"error,omitempty"`
	}{"2.0", id, method, params, result, rerr}
	var line bytes.Buffer
	enc := json.NewEncoder(&line) // ends with a newline
	enc.SetEscapeHTML(false)      // the application's own fields go back as they came
	if err := enc.Encode(m); err != nil {
		return nil, err
	}
	if line.Len() > appapi.MaxLine {
		return nil, fmt.Errorf("%w: %d bytes", errLineTooLong, line.Len())
	}
	return line.Bytes(), nil
}

// errLineTooLong is returned for a line of more than appapi.MaxLine bytes.
var errLineTooLong = errors.New("line over 16 MiB")

// lineReader reads lines of at most max bytes without holding more than that in memory.
type lineReader struct {
	r   *bufio.Reader
	max int
}

func newLineReader(r io.Reader, max int) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, 64<<10), max: max}
}

// next returns a line without its end, in memory of its own. The last line may lack a newline.
func (l *lineReader) next() ([]byte, error) {
	var line []byte
	for {
		part, err := l.r.ReadSlice('\n')
		if len(line)+len(part) > l.max {
			return nil, errLineTooLong
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return bytes.TrimRight(line, "\r\n"), nil
		case errors.Is(err, bufio.ErrBufferFull):
		case len(line) > 0:
			return line, nil // the error comes again with the next call
		default:
			return nil, err
		}
	}
}
