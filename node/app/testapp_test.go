package app

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain lets the test binary play three more parts: the shim, an application and a node. They end
// by syscall.Exit: under the race detector os.Exit waits a second.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case ShimArg:
			syscall.Exit(ShimMain())
		case "test-app":
			testApp(os.Args[2:])
			syscall.Exit(0)
		case "test-node":
			testNode(os.Args[2])
			syscall.Exit(0)
		case "test-sleeper":
			signal.Ignore(syscall.SIGTERM, syscall.SIGHUP)
			time.Sleep(time.Minute)
			syscall.Exit(0)
		}
	}
	goleak.VerifyTestMain(m)
}

// testNode is a node that runs one application with children and waits to be killed.
func testNode(dir string) {
	m := NewManager(Config{ScratchRoot: filepath.Join(dir, "scratch")}, func(e Event) {
		if _, ok := e.(Note); ok {
			_ = os.WriteFile(filepath.Join(dir, "up"), nil, 0o600)
		}
	})
	m.StartProc(0, 1, command0("tell="+filepath.Join(dir, "pids"), "children"))
	time.Sleep(time.Minute)
}

// testApp is an application that answers everything with {"echo":params}, but for what its
// arguments ask: each is a word or word=value.
func testApp(args []string) {
	opt := map[string]string{}
	for _, a := range args {
		k, v, _ := strings.Cut(a, "=")
		opt[k] = v
	}
	has := func(k string) bool { _, ok := opt[k]; return ok }
	say := func(s string) { os.Stdout.WriteString(s + "\n") }
	if has("tell") { // pids, for tests that look whether they live
		f, _ := os.Create(opt["tell"] + ".tmp")
		fmt.Fprintln(f, os.Getpid())
		if has("children") {
			fmt.Fprintln(f, startSleeper(&syscall.SysProcAttr{Setsid: true}))
			fmt.Fprintln(f, startSleeper(&syscall.SysProcAttr{Setpgid: true}))
			fmt.Fprintln(f, startSleeper(nil))
		}
		f.Close()
		os.Rename(f.Name(), opt["tell"])
	}
	if has("exit") {
		n, _ := strconv.Atoi(opt["exit"])
		fmt.Fprintln(os.Stderr, "no licence file")
		syscall.Exit(n)
	}
	if has("silent") {
		time.Sleep(time.Minute)
	}
	if has("early") {
		say(`{"jsonrpc":"2.0","id":"q","method":"WOBQuery","params":{"id":"x"}}`)
	}
	start := opt["start"]
	if start == "" {
		start = `{"protocol":1,"app":"test","version":"1.0.0","threads":1}`
	}
	say(`{"jsonrpc":"2.0","id":"s","method":"Start","params":` + start + `}`)
	testAppServe(opt, has, say)
}

func startSleeper(attr *syscall.SysProcAttr) int {
	cmd := exec.Command(os.Args[0], "test-sleeper")
	cmd.SysProcAttr = attr
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr // holds the pipes open, as careless programs do
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	return cmd.Process.Pid
}

func testAppServe(opt map[string]string, has func(string) bool, say func(string)) {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	compute := ""
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			if has("deaf") {
				time.Sleep(time.Minute)
			}
			return
		}
		var m message
		json.Unmarshal([]byte(line), &m)
		if len(m.ID) > 0 && m.Method == "" { // an answer to us: report it
			b, _ := json.Marshal(string(line))
			say(`{"jsonrpc":"2.0","method":"Progress","params":{"text":` + string(b) + `}}`)
			continue
		}
		if opt["crash"] == m.Method {
			panic("test application crashes in " + m.Method)
		}
		if opt["hang"] == m.Method {
			time.Sleep(time.Minute)
		}
		if opt["late"] == m.Method {
			time.Sleep(300 * time.Millisecond)
		}
		switch {
		case opt["longline"] == m.Method && m.Method != "":
			say("{" + strings.Repeat(" ", 17<<20))
		case opt["close"] == m.Method && m.Method != "":
			os.Stdout.Close()
			time.Sleep(time.Minute)
		case m.Method == "OnCompute":
			compute = string(m.ID)
		case m.Method == "Suspend" && compute != "" && !has("stubborn"):
			say(`{"jsonrpc":"2.0","id":` + compute + `,"result":{"done":false}}`)
		case m.Method == "OnWOBMsg":
			var p struct{ Data json.RawMessage }
			json.Unmarshal(m.Params, &p)
			var s string
			json.Unmarshal(p.Data, &s)
			say(s) // whatever the test wants said
		case m.Method == "fail":
			say(`{"jsonrpc":"2.0","id":` + string(m.ID) + `,"error":{"code":-32601,"message":"unknown method"}}`)
		case len(m.ID) > 0:
			say(`{"jsonrpc":"2.0","id":` + string(m.ID) + `,"result":{"method":"` + m.Method + `","echo":` + string(m.Params) + `}}`)
		}
	}
}
