package guard

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// importing is a file at path that imports one package.
func importing(t *testing.T, path, imp string) *File {
	t.Helper()
	return source(t, path, "package x\nimport _ \""+imp+"\"\n")
}

func TestFloorsCatch(t *testing.T) {
	for _, c := range []struct{ path, imp, want string }{
		{"core/x.go", Module + "/wob", "not on a floor below"},
		{"wob/x.go", Module + "/protocols", "not on a floor below"},
		{"protocols/x.go", Module + "/overlay", "not on a floor below"},
		{"overlay/x.go", Module + "/work", "not on a floor below"},
		{"work/x.go", Module + "/overlay/index", "not on a floor below"},
		{"node/app/x.go", Module + "/gateway", "not on a floor below"},
		{"node/x.go", Module + "/sdk", "not on a floor below"},
		{"sim/x.go", Module + "/node", "not on a floor below"},
		{"gateway/x.go", Module + "/sim", "not on a floor below"},
		{"gateway/api/x.go", Module + "/core", "not on a floor below"},
		{"gateway/api/x.go", Module + "/gateway/store", "not on a floor below"},
		{"sdk/x.go", Module + "/work", "not on a floor below"},
		{"sdk/x.go", "example.org/queue", "standard library alone"},
		{"examples/primes/x.go", "example.org/queue", "standard library alone"},
		{"gateway/x.go", Module + "/protocols/stream", "only for"},
		{"node/x.go", Module + "/elsewhere", "not on a floor below"},
		{"elsewhere/x.go", "fmt", "stands on no floor"},
		{"overlay/x_test.go", "github.com/libp2p/go-libp2p/core/peer", "libp2p belongs to"},
		{"examples/primes/x_test.go", "github.com/multiformats/go-multiaddr", "libp2p belongs to"},
	} {
		bad := Floors(importing(t, c.path, c.imp))
		require.Len(t, bad, 1, c.path+" "+c.imp)
		require.Contains(t, bad[0], c.want)
	}
}

func TestFloorsAllow(t *testing.T) {
	for _, c := range []struct{ path, imp string }{
		{"protocols/x.go", Module + "/wob"},
		{"overlay/x.go", Module + "/overlay/roster"},
		{"overlay/roster/x.go", Module + "/core"},
		{"overlay/x_test.go", Module + "/sim/scenario"},
		{"node/x.go", Module + "/protocols/stream"},
		{"node/x.go", Module + "/gateway/api"},
		{"node/project/x.go", "github.com/libp2p/go-libp2p"},
		{"gateway/x.go", Module + "/gateway/api"},
		{"gateway/api/x.go", Module + "/wob"},
		{"gateway/api/x.go", "github.com/libp2p/go-libp2p/p2p/http/auth"},
		{"cmd/wob/x.go", Module + "/gateway/api"},
		{"sdk/x.go", Module + "/wob/appapi"},
		{"examples/primes/x.go", Module + "/sdk"},
		{"node/x.go", "example.org/queue"},
	} {
		require.Empty(t, Floors(importing(t, c.path, c.imp)), c.path+" "+c.imp)
	}
}
