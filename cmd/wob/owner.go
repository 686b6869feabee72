package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/node/project"
	"github.com/wobcompute/wobcompute/wob"
)

const (
	defaultGateway = "http://127.0.0.1:8080"
	gatewayFile    = "gateway.json" // in a project directory: where its gateway ran last
	leastPrefix    = 4              // characters of an id that name a job
)

// gatewayInfo is the content of gatewayFile.
type gatewayInfo struct {
	URL string `json:"url"`
}

func writeGatewayInfo(dir, url string) error {
	b, err := json.Marshal(gatewayInfo{URL: url})
	if err == nil {
		err = renameio.WriteFile(filepath.Join(dir, gatewayFile), append(b, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("tell where the gateway is: %w", err)
	}
	return nil
}

// readGatewayInfo returns the URL of a project's gateway, "" if none ran yet.
func readGatewayInfo(dir string) (string, error) {
	file := filepath.Join(dir, gatewayFile)
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	var info gatewayInfo
	if err == nil {
		err = json.Unmarshal(b, &info)
	}
	if err != nil {
		return "", usage("%s is not readable (%w); say --gateway URL", file, err)
	}
	return info.URL, nil
}

// ownerFlags adds the flags of a command that calls the gateway for the project's owner.
func (e *env) ownerFlags(cmds ...*cobra.Command) {
	for _, c := range cmds {
		c.Flags().StringVar(&e.gateway, "gateway", "", "the gateway's URL (WOB_GATEWAY; default that of --project, or "+defaultGateway+")")
		c.Flags().StringVar(&e.token, "token", "", "the owner's token (WOB_TOKEN; default that of --project)")
		c.Flags().StringVar(&e.project, "project", "", "the project directory, to find the gateway and the token")
	}
}

// owner returns a client for the owner's calls: flag, then environment, then project
// directory, then default.
func (e *env) owner() (*api.Client, error) {
	base := setting(e.gateway, "WOB_GATEWAY", "")
	token := setting(e.token, "WOB_TOKEN", "")
	if e.project != "" {
		if _, err := os.Stat(filepath.Join(e.project, project.DescriptorFile)); err != nil {
			return nil, usage("%s is no project directory (%w); `wob project new` makes one", e.project, err)
		}
		if base == "" {
			var err error
			if base, err = readGatewayInfo(e.project); err != nil {
				return nil, err
			}
		}
		if token == "" {
			var err error
			if token, err = project.Token(e.project); err != nil {
				return nil, usage("%w; say --token", err)
			}
		}
	}
	if base == "" {
		base = defaultGateway
	}
	if err := checkURL(base); err != nil {
		return nil, err
	}
	return api.New(base, token), nil // without a token the gateway answers, and says, 401
}

// checkURL refuses what cannot be a gateway's address.
func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return usage("%q is not the URL of a gateway; it looks like %s", text, defaultGateway)
	}
	return nil
}

// ownersWOB returns a client for the owner's calls and the WOB that a prefix of its id
// stands for.
func (e *env) ownersWOB(name string) (*api.Client, wob.ID, error) {
	client, err := e.owner()
	if err != nil {
		return nil, "", err
	}
	id, err := e.findWOB(client, name)
	return client, id, err
}

// findWOB returns the whole id of a WOB: roots may be named by the first characters of
// their id.
func (e *env) findWOB(c *api.Client, name string) (wob.ID, error) {
	name = strings.ToLower(name)
	if wob.ID(name).Valid() {
		return wob.ID(name), nil
	}
	switch {
	case name == "" || strings.Trim(name, "0123456789abcdef-") != "":
		return "", usage("%q is not the id of a WOB; `wob ls` lists them", name)
	case len(name) < leastPrefix:
		return "", usage("%q is too short for the beginning of an id: at least %d characters are needed", name, leastPrefix)
	}
	roots, err := c.WOBs(e.ctx)
	if err != nil {
		return "", err
	}
	var found []wob.ID
	for _, r := range roots {
		if strings.HasPrefix(string(r.ID), name) {
			found = append(found, r.ID)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", failed(exitFailed, "no WOB has an id that begins with %s; `wob ls` lists them", name)
	}
	return "", usage("%d WOBs have an id that begins with %s; give more of it", len(found), name)
}
