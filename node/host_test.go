package node

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"
)

func testKey(t *testing.T) crypto.PrivKey {
	t.Helper()
	key, err := loadKey(t.TempDir())
	require.NoError(t, err)
	return key
}

func TestPortInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	_, port, err := net.SplitHostPort(taken.Addr().String())
	require.NoError(t, err)
	busy := "/ip4/127.0.0.1/tcp/" + port
	for name, listen := range map[string][]string{
		"alone":         {busy},
		"beside others": {"/ip4/127.0.0.1/tcp/0", busy},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newHost(testKey(t), listen, 100, "test")
			require.ErrorIs(t, err, ErrListen)
			require.ErrorContains(t, err, busy)
			require.ErrorContains(t, err, "--listen")
		})
	}
}

// libp2p shares its ports with whoever asks for the same; two nodes must not.
func TestTwoHostsShareNoPort(t *testing.T) {
	one, err := newHost(testKey(t), []string{"/ip4/127.0.0.1/tcp/0"}, 100, "test")
	require.NoError(t, err)
	busy := one.Addrs()[0].String()
	_, err = newHost(testKey(t), []string{busy}, 100, "test")
	require.ErrorIs(t, err, ErrListen)
	require.NoError(t, one.Close())
	again, err := newHost(testKey(t), []string{busy}, 100, "test")
	require.NoError(t, err)
	require.NoError(t, again.Close())
}

func TestHostListensEverywhere(t *testing.T) {
	h, err := newHost(testKey(t), []string{"/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"}, 100, "test")
	require.NoError(t, err)
	defer h.Close()
	addrs := reachable(h)
	require.Len(t, addrs, 2)
	require.Contains(t, strings.Join(addrs, " "), "/quic-v1")
}

// Many nodes behind one address are admitted, up to the capacity; not any number.
func TestConnectionLimits(t *testing.T) {
	const capacity = 20
	m, err := limits(capacity)
	require.NoError(t, err)
	defer m.Close()
	open := 0
	for i := range 4 * (capacity + 64) {
		addr, err := ma.NewMultiaddr("/ip4/192.0.2.7/tcp/" + strings.Repeat("1", 1+i%4))
		require.NoError(t, err)
		c, err := m.OpenConnection(network.DirInbound, true, addr)
		if err != nil {
			break
		}
		defer c.Done()
		open++
	}
	require.GreaterOrEqual(t, open, capacity, "libp2p's own limit is 8")
	require.LessOrEqual(t, open, capacity+64)
	for range 4 * capacity { // all nodes of a test are at the loopback address
		c, err := m.OpenConnection(network.DirOutbound, true, ma.StringCast("/ip4/127.0.0.1/tcp/9"))
		require.NoError(t, err)
		c.Done()
	}
}

func TestIdentity(t *testing.T) {
	dir := t.TempDir()
	first, err := loadKey(dir)
	require.NoError(t, err)
	again, err := loadKey(dir)
	require.NoError(t, err)
	require.True(t, first.Equals(again), "it is kept")
	_, err = peer.IDFromPrivateKey(again)
	require.NoError(t, err)
	file := filepath.Join(dir, "identity.key")
	if info, err := os.Stat(file); runtime.GOOS != "windows" {
		require.NoError(t, err)
		require.EqualValues(t, 0o600, info.Mode().Perm(), "nobody else reads it")
	}
	for _, damage := range []string{"", "x", "this is no key"} {
		require.NoError(t, os.WriteFile(file, []byte(damage), 0o600))
		_, err = loadKey(dir)
		require.ErrorContains(t, err, file)
		require.ErrorContains(t, err, "remove the file")
		kept, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, damage, string(kept), "it is not overwritten")
	}
}
