package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

const libp2pModule = "github.com/libp2p/go-libp2p"

// versions tells which WOBCompute and which libp2p this program was built from.
func versions() (own, libp2p string) {
	own, libp2p = "devel", "unknown"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return own, libp2p
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		own = v
	}
	for _, m := range info.Deps {
		if m.Path == libp2pModule {
			libp2p = m.Version
		}
	}
	return own, libp2p
}

// agent is how this program names itself to other nodes.
func agent() string {
	own, _ := versions()
	return "wob/" + own
}

func (e *env) versionCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the versions of WOBCompute, Go and libp2p",
		Example: "  wob version --json",
		Args:    want(),
		RunE: func(*cobra.Command, []string) error {
			own, libp2p := versions()
			return e.say(map[string]string{"version": own, "go": runtime.Version(), "libp2p": libp2p},
				"wob %s, %s %s/%s, libp2p %s", own, runtime.Version(), runtime.GOOS, runtime.GOARCH, libp2p)
		},
	}
}
