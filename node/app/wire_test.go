package app

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnyErrorIsAnError(t *testing.T) {
	for line, want := range map[string]*RPCError{
		`{"jsonrpc":"2.0","id":1,"error":{"message":"x"}}`:                  {Code: -32603, Message: "x"},
		`{"jsonrpc":"2.0","id":1,"error":"x"}`:                              {Code: -32603, Message: `"x"`},
		`{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"gone"}}`: {Code: -32000, Message: "gone"},
		`{"jsonrpc":"2.0","id":1,"error":null,"result":1}`:                  nil,
	} {
		m, ok := parse([]byte(line))
		require.True(t, ok)
		require.Equal(t, want, m.rpcError(), line)
	}
}
