package stream

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/stretchr/testify/require"

	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

const childEnv = "WOB_STREAM_TEST_CHILD"

// TestChild is the other process of TestKilledPeerIsDownAtOnce: a node that serves until its parent
// kills it or goes away.
func TestChild(t *testing.T) {
	if os.Getenv(childEnv) == "" {
		t.Skip("runs as a child only")
	}
	key, _, err := crypto.GenerateEd25519Key(zeros{})
	require.NoError(t, err)
	n := newNode(t, newHost(t, tcpAddr, libp2p.Identity(key)), "p", Limits{})
	fmt.Println("READY", n.id, strings.Join(n.addrs, " "))
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n') // ends with the parent
}

// zeros makes the same key every time: the child restarts as itself.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func startChild(t *testing.T) (cmd *exec.Cmd, id wob.NodeID, addrs []string) {
	t.Helper()
	cmd = exec.Command(os.Args[0], "-test.run=^TestChild$", "-test.count=1")
	cmd.Env = append(os.Environ(), childEnv+"=1")
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = stdin.Close(); _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if f := strings.Fields(lines.Text()); len(f) > 2 && f[0] == "READY" {
			return cmd, wob.NodeID(f[1]), f[2:]
		}
	}
	require.FailNow(t, "the child did not start")
	return nil, "", nil
}

func TestKilledPeerIsDownAtOnce(t *testing.T) {
	a := newNode(t, newHost(t, tcpAddr), "p", Limits{})
	cmd, id, addrs := startChild(t)
	a.Send(id, addrs, protocols.Leave{})
	waitFor[PeerUp](a, 1)
	require.NoError(t, cmd.Process.Kill())
	start := time.Now()
	require.Equal(t, id, waitFor[PeerDown](a, 1)[0].Peer)
	require.Less(t, time.Since(start), 3*time.Second)

	_, again, addrs := startChild(t)
	require.Equal(t, id, again)
	a.Send(id, addrs, protocols.Leave{})
	waitFor[PeerUp](a, 2)
}
