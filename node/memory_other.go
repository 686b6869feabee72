//go:build !linux

package node

// totalMemory returns the machine's memory in bytes, 0 if it cannot be told.
func totalMemory() int64 { return 0 }
