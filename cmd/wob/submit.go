package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/wob"
)

// maxBoundary bounds the bytes of a boundary: an encoded WOB's limit, less the rest of it.
const maxBoundary = 8<<20 - 64<<10

func (e *env) submitCmd() *cobra.Command {
	var app, boundary, file, id string
	var wait bool
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "submit --app APP (--boundary JSON | --file F)",
		Short: "Submit a job and print its id",
		Long: "Submits a job: one workload object, which the network splits as it needs to. The boundary says what to\n" +
			"compute, in the application's own terms. The same --id and content again is the same job, not a second one.",
		Example: "  wob submit --project pi --app primes --boundary '{\"lo\":0,\"hi\":10000000000}' --wait",
		Args:    want(),
		RunE: func(*cobra.Command, []string) error {
			if app == "" {
				return usage("say which application with --app")
			}
			if timeout != 0 && !wait {
				return usage("--timeout is for --wait")
			}
			raw, err := readBoundary(boundary, file)
			if err != nil {
				return err
			}
			if id == "" {
				id = uuid.NewString()
			}
			if !wob.ID(id).Valid() {
				return usage("--id %q is not a UUID in lower case", id)
			}
			client, err := e.owner()
			if err != nil {
				return err
			}
			if _, err := client.Inject(e.ctx, wob.ID(id), api.Injection{App: app, Boundary: raw}); err != nil {
				return err
			}
			if err := e.say(map[string]string{"id": id}, "%s", id); err != nil || !wait {
				return err
			}
			return e.awaitResult(client, wob.ID(id), timeout, true)
		},
	}
	f := c.Flags()
	f.StringVar(&app, "app", "", "application, as NAME or NAME@VERSION")
	f.StringVar(&boundary, "boundary", "", "what to compute, as JSON")
	f.StringVar(&file, "file", "", "file that holds the boundary; - for standard input")
	f.StringVar(&id, "id", "", "id of the job, a UUID (default: a new one)")
	f.BoolVar(&wait, "wait", false, "wait for the result, print it, and show progress meanwhile")
	f.DurationVar(&timeout, "timeout", 0, "give up waiting after so long; the job goes on")
	e.ownerFlags(c)
	return c
}

// readBoundary takes the boundary from the flag or the file and checks that it is JSON.
func readBoundary(text, file string) (wob.Raw, error) {
	where := "--boundary"
	switch {
	case (text == "") == (file == ""):
		return "", usage("say what to compute with either --boundary JSON or --file F")
	case file != "":
		where = file
		in := io.Reader(os.Stdin)
		if file == "-" {
			where = "standard input"
		} else {
			f, err := os.Open(file)
			if err != nil {
				return "", usage("cannot read the boundary: %w", err)
			}
			defer f.Close()
			in = f
		}
		b, err := io.ReadAll(io.LimitReader(in, maxBoundary+1))
		if err != nil {
			return "", usage("cannot read the boundary: %w", err)
		}
		text = string(b)
	}
	if len(text) > maxBoundary {
		return "", usage("%s: the boundary is larger than %d bytes; let the application fetch large data itself", where, maxBoundary)
	}
	var any json.RawMessage
	if err := json.Unmarshal([]byte(text), &any); err != nil {
		hint := ""
		if file == "" {
			hint = "; quote it for the shell, as in --boundary '{\"lo\":0,\"hi\":1000}'"
		}
		return "", usage("%s is not JSON: %w%s", where, err, hint)
	}
	return wob.Raw(any), nil
}

// progressLine tells people how a job stands.
func progressLine(r api.Root) string {
	s := fmt.Sprintf("%s  %s", standing(r), seconds(r.Seconds))
	if r.WOBs > 0 {
		s += fmt.Sprintf("  WOBs %d", r.WOBs)
	}
	if r.Effort != nil && r.Effort.Total > 0 {
		s += fmt.Sprintf("  effort remaining in the root %.4g of %.4g", r.Effort.Remaining, r.Effort.Total)
	}
	return s
}
