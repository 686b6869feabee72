package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wobcompute/wobcompute/gateway"
	"github.com/wobcompute/wobcompute/node"
	"github.com/wobcompute/wobcompute/node/project"
)

// gatewayOptions are the flags of gateway run.
type gatewayOptions struct {
	listen   string
	p2p      []string
	data     string
	noNode   bool
	insecure bool
	grace    time.Duration
	lifeline bool
}

func (e *env) gatewayCmd() *cobra.Command {
	return group("gateway", "Run a project's gateway", "  wob gateway run --project pi", e.gatewayRunCmd())
}

func (e *env) gatewayRunCmd() *cobra.Command {
	var o gatewayOptions
	c := &cobra.Command{
		Use:   "run --project DIR",
		Short: "Run the project's gateway until it is stopped",
		Long: "Runs the gateway: nodes join through it, jobs are submitted to it, results wait there. It may be stopped and\n" +
			"started again while the project computes. Beside it runs a supervisor node that does not compute.",
		Example: "  wob gateway run --project pi\n  wob gateway run --project pi --listen 0.0.0.0:8080 --insecure",
		Args:    want(),
		RunE:    func(*cobra.Command, []string) error { return e.gatewayRun(o) },
	}
	f := c.Flags()
	f.StringVar(&e.project, "project", "", "the project directory")
	f.StringVar(&o.listen, "listen", "127.0.0.1:8080", "address of the HTTP API; port 0 picks a free one")
	f.StringArrayVar(&o.p2p, "p2p", nil, "multiaddr of the node beside the gateway, repeatable (default: a port chosen at the first run)")
	f.StringVar(&o.data, "data", "", "directory of the gateway's store (default DIR/gateway)")
	f.BoolVar(&o.noNode, "no-node", false, "run no node beside the gateway")
	f.BoolVar(&o.insecure, "insecure", false, "allow a public address without TLS")
	e.daemonFlags(c, &o.grace, &o.lifeline)
	return c
}

func (e *env) gatewayRun(o gatewayOptions) error {
	if e.project == "" {
		return usage("say which project with --project DIR; `wob project new` makes one")
	}
	if _, _, err := project.Load(e.project); err != nil {
		return usage("%w", err)
	}
	token, err := project.Token(e.project)
	if err != nil {
		return usage("%w", err)
	}
	if _, _, err := net.SplitHostPort(o.listen); err != nil {
		return usage("--listen: %w; it looks like 127.0.0.1:8080", err)
	}
	if err := checkAddrs("p2p", o.p2p); err != nil {
		return err
	}
	logger, err := e.logger()
	if err != nil {
		return err
	}
	if o.data == "" {
		o.data = filepath.Join(e.project, "gateway")
	}
	unlock, err := lockGateway(e.project)
	if err != nil {
		return err
	}
	defer unlock()
	ctx, cancel := untilStopped(e.ctx, "gateway", e.err)
	defer cancel()
	holdLifeline(o.lifeline)
	cfg := gateway.DefaultConfig()
	cfg.ProjectDir, cfg.DataDir, cfg.Token = e.project, o.data, token
	cfg.Listen, cfg.Insecure, cfg.Logger = o.listen, o.insecure, logger
	s, err := gateway.New(cfg)
	if errors.Is(err, gateway.ErrInsecure) {
		return usage("%w", err)
	}
	if err != nil {
		return err
	}
	return errors.Join(e.serveGateway(ctx, s, o, logger), s.Close())
}

// serveGateway runs gateway and node side by side. The node leaves the overlay before
// the gateway ends, and calls it meanwhile.
func (e *env) serveGateway(ctx context.Context, s *gateway.Server, o gatewayOptions, logger *slog.Logger) error {
	r := ready{Event: "ready", URL: s.URL(), Project: s.Project().ID, Addrs: []string{}}
	failed := (<-chan error)(nil)
	stopNode := func(time.Duration) error { return nil }
	if !o.noNode {
		listen := o.p2p
		if len(listen) == 0 {
			var err error
			if listen, err = lastingAddrs(o.data); err != nil {
				return err
			}
		}
		n, err := s.Embed(gateway.NodeConfig{Listen: listen, Agent: agent(), Logger: logger})
		if err != nil {
			return err
		}
		r.Peer, r.Addrs = string(n.Project().Peer()), n.Project().Addrs()
		failed, stopNode = n.Project().Failed(), n.Stop
	}
	serving, stopServing := context.WithCancel(context.Background())
	defer stopServing()
	served := make(chan error, 1)
	go func() { served <- s.Run(serving) }()

	err := writeGatewayInfo(e.project, localURL(s.URL()))
	if err == nil {
		err = e.say(r, "The gateway of %s serves at %s\nVolunteers join with: wob join %s#%s", s.Project().Name, r.URL, r.URL, r.Project)
	}
	if err == nil {
		select {
		case err = <-served:
			return errors.Join(err, stopNode(0))
		case err = <-failed:
			o.grace = 0
		case <-ctx.Done():
		}
	}
	err = errors.Join(err, stopNode(o.grace))
	stopServing()
	return errors.Join(err, <-served)
}

// localURL is a gateway's address as seen from its own machine.
func localURL(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return text
	}
	host, port, _ := net.SplitHostPort(u.Host)
	if name, err := os.Hostname(); err == nil && host == name { // it listens on all addresses
		u.Host = net.JoinHostPort("127.0.0.1", port)
	}
	return u.String()
}

// lastingAddrs returns where the node beside a gateway listens: on a free port that is
// picked at the first run and kept, since the network knows the node by it.
func lastingAddrs(data string) ([]string, error) {
	file := filepath.Join(data, "p2p.port")
	var port int
	if b, err := os.ReadFile(file); err == nil {
		if _, err := fmt.Sscanf(string(b), "%d", &port); err != nil || port < 1 || port > 65535 {
			return nil, fmt.Errorf("%s does not hold a port; remove it and start again, or say --p2p", file)
		}
	} else {
		if port, err = freePort(); err != nil {
			return nil, err
		}
		if err := os.WriteFile(file, fmt.Appendf(nil, "%d\n", port), 0o644); err != nil {
			return nil, fmt.Errorf("keep the node's port: %w", err)
		}
	}
	var addrs []string
	for _, a := range node.DefaultListen {
		addrs = append(addrs, withPort(a, port))
	}
	return addrs, nil
}

// freePort finds a port that is free for both TCP and UDP.
func freePort() (int, error) {
	var last error
	for range 20 {
		tcp, err := net.Listen("tcp", ":0")
		if err != nil {
			return 0, fmt.Errorf("find a free port: %w", err)
		}
		port := tcp.Addr().(*net.TCPAddr).Port
		udp, err := net.ListenPacket("udp", fmt.Sprintf(":%d", port))
		tcp.Close()
		if err == nil {
			udp.Close()
			return port, nil
		}
		last = err
	}
	return 0, fmt.Errorf("find a free port: %w", last)
}

// withPort puts a port in the place of the 0 of a listen address.
func withPort(addr string, port int) string {
	for _, kind := range []string{"/tcp/", "/udp/"} {
		addr = strings.Replace(addr, kind+"0", fmt.Sprintf("%s%d", kind, port), 1)
	}
	return addr
}
