// Package app is the application manager (paper, section 3.4.5): it starts and stops
// applications as processes of their own and speaks the application protocol, version 1,
// with them: JSON-RPC 2.0, a line a message, on their standard input and output.
//
// The manager decides nothing about WOBs. It takes commands (StartProc, Call, Notify, Answer,
// StopProc, Kill) that never block, and reports what happened as Events. What it guarantees:
// the order rules and deadlines of the protocol; exactly one Down for each StartProc, posted
// when the process and everything it started are gone; and that no application or descendant
// of one outlives the node, however the node ends (see ShimMain).
package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/wobcompute/wobcompute/wob"
	"github.com/wobcompute/wobcompute/wob/appapi"
)

// Command says how to run an application, from its package's app.json.
type Command struct {
	Dir        string        // package directory, the working directory
	Run        []string      // argument vector: "./x" is relative to Dir, a bare word is looked up in PATH
	Params     wob.Raw       // answered to Start
	Timeout    time.Duration // raises the protocol's deadlines; 0: the table's
	Name       string        // what the application must call itself in Start; empty: any
	Version    string        // likewise
	Threads    int           // slots the process takes, from app.json
	Checkpoint time.Duration // interval between checkpoints; carried for the node, unused here
	Project    string        // answered to Start
	LogFile    string        // standard error is appended here, at most LogBytes; empty: not kept
}

// LogBytes bounds a log file. When it is full it becomes LogFile.old and a new one begins.
const LogBytes = 4 << 20

// Config configures a Manager.
type Config struct {
	// ScratchRoot holds the private directories of the processes, one each; it belongs to
	// this manager alone. Empty: the system's temporary directory is used.
	ScratchRoot string
	// Shim is the argument vector before "--" of the reaper (see ShimMain).
	// Empty: this executable with the argument "app-exec".
	Shim   []string
	Logger *slog.Logger
	// Grace is how long OnAppExit may take. Default 10 s.
	Grace time.Duration
	// StopWait is the time between closing standard input and the kill. Default 5 s (protocol).
	StopWait time.Duration
	// Deadlines replaces entries of the protocol's table, by method; "Suspend" is the time in
	// which OnCompute is to be answered then. For tests and for "wob app check".
	Deadlines map[string]time.Duration
}

// Event is what the manager reports: Up, Down, Reply, Request or Note.
type Event interface{ isEvent() }

type (
	// Up tells that the process called Start, was answered, and is ready for a WOB.
	Up struct {
		Proc  int
		Gen   uint64
		Start appapi.StartParams
	}
	// Down tells that the process and all its descendants are gone; it is the last event of
	// a (Proc, Gen). Err is nil after StopProc, otherwise a *Fault in plain words.
	Down struct {
		Proc int
		Gen  uint64
		Err  error
		Log  string // last lines of standard error, at most 4 KiB, valid UTF-8
		Junk int    // lines on standard output that were no messages of the protocol; they are in the log
	}
	// Reply answers a Call. Calls that are open when the process ends are not answered: Down says it all.
	Reply struct {
		Proc   int
		Gen    uint64
		Call   uint64
		Result json.RawMessage // nil when Err is set
		Err    *RPCError
	}
	// Request is a call of the application, to be answered with Answer.
	Request struct {
		Proc   int
		Gen    uint64
		ID     json.RawMessage
		Method string // WOBFinished, WOBQuery, WOBLocQuery, WOBMsg or WOBReqBackup
		Params json.RawMessage
	}
	// Note is a notification of the application: Progress or NotifyWorkloadAvailable.
	Note struct {
		Proc   int
		Gen    uint64
		Method string
		Params json.RawMessage
	}
)

func (Up) isEvent()      {}
func (Down) isEvent()    {}
func (Reply) isEvent()   {}
func (Request) isEvent() {}
func (Note) isEvent()    {}

// RPCError is the error member of a JSON-RPC answer. Codes are in package appapi.
type RPCError struct {
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data,omitempty"`
}

func (e *RPCError) Error() string { return fmt.Sprintf("%s (%d)", e.Message, e.Code) }

// Why a process ended; see Fault.
var (
	ErrStart    = errors.New("not started")       // program missing, no or wrong Start
	ErrDeadline = errors.New("deadline missed")   // a callback was not answered in time
	ErrProtocol = errors.New("protocol broken")   // line too long, standard output closed
	ErrExited   = errors.New("ended by itself")   // exit or crash nobody asked for
	ErrKilled   = errors.New("killed by request") // Kill or Close
)

// Fault is why a process ended, in words for the people who must find the cause.
type Fault struct {
	Kind error // one of the sentinels above
	Text string
}

func (f *Fault) Error() string { return f.Text }
func (f *Fault) Unwrap() error { return f.Kind }

// faultf makes a Fault of the kind.
func faultf(kind error, format string, args ...any) *Fault {
	return &Fault{Kind: kind, Text: fmt.Sprintf(format, args...)}
}
