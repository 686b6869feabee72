// Package itest runs the real thing: processes of the wob command on loopback, with real
// sockets and files, killed with SIGKILL where a test says so.
//
// The short tests run with every `go test ./...`. The heavy ones, which take minutes,
// run where the environment says CI=true or WOB_HEAVY=1.
package itest
