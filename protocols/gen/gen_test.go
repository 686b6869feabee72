package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wobcompute/wobcompute/protocols"
)

func TestMessagesPageIsCurrent(t *testing.T) {
	want, err := render("..")
	require.NoError(t, err)
	got, err := os.ReadFile("../../docs/messages.md")
	require.NoError(t, err)
	require.Equal(t, want, string(got), "run: go generate ./protocols")
	for _, d := range protocols.Catalogue() {
		require.Contains(t, want, "\n### "+string(d.Kind)+"\n")
	}
}

func TestTypeWithoutDocIsAnError(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/a.go", []byte("package a\n\ntype Envelope struct{}\n"), 0o600))
	_, err := render(dir)
	require.ErrorContains(t, err, "Envelope")
}
