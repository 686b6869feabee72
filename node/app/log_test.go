package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestLogTail(t *testing.T) {
	l, err := newAppLog("")
	require.NoError(t, err)
	for range 1000 {
		_, _ = l.Write([]byte("line é\n"))
	}
	_, _ = l.Write([]byte("last\xff"))
	got := l.last()
	require.True(t, utf8.ValidString(got))
	require.LessOrEqual(t, len(got), tailBytes)
	require.True(t, strings.HasPrefix(got, "line é\n"))
	require.True(t, strings.HasSuffix(got, "line é\nlast?"))
}

func TestLogFileIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, err := newAppLog(path)
	require.NoError(t, err)
	chunk := []byte(strings.Repeat("x", 1<<20))
	for range 10 {
		_, _ = l.Write(chunk)
	}
	l.close()
	for _, p := range []string{path, path + ".old"} {
		st, err := os.Stat(p)
		require.NoError(t, err)
		require.LessOrEqual(t, st.Size(), int64(LogBytes))
	}
}

func TestLogFileThatCannotBeOpened(t *testing.T) {
	l, err := newAppLog(filepath.Join(t.TempDir(), "no", "such", "dir"))
	require.Error(t, err)
	_, _ = l.Write([]byte("kept in memory\n"))
	require.Equal(t, "kept in memory\n", l.last())
}
