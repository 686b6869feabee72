package gateway

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/node/project"
	"github.com/wobcompute/wobcompute/wob"
)

// readProject reads the descriptor for the first time.
func (s *Server) readProject() error {
	d, raw, err := project.Load(s.cfg.ProjectDir)
	if err != nil {
		return err
	}
	s.project, s.raw, s.seen = d, raw, s.changedAt()
	return nil
}

func (s *Server) changedAt() time.Time {
	info, err := os.Stat(filepath.Join(s.cfg.ProjectDir, project.DescriptorFile))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// pollProject takes over a changed descriptor: a running project takes new applications
// without a restart. Another project's, an older or a broken one is logged and left.
func (s *Server) pollProject() {
	at := s.changedAt()
	s.mu.Lock()
	same, id, serial := at.Equal(s.seen), s.project.ID, s.project.Serial
	s.seen = at
	s.mu.Unlock()
	if same || at.IsZero() {
		return
	}
	d, raw, err := project.Load(s.cfg.ProjectDir)
	if err == nil {
		_, err = project.VerifyFor(raw, id, serial)
	}
	if err != nil {
		s.cfg.Logger.Error("Changed project descriptor not taken over", "error", err)
		return
	}
	s.mu.Lock()
	if d.Serial <= s.project.Serial { // nothing new, or another look was faster
		s.mu.Unlock()
		return
	}
	s.project, s.raw = d, raw
	s.save(s.raise()) // nodes look at the descriptor when they ask again
	s.mu.Unlock()
	s.emit(api.Event{Type: "project", Data: details(map[string]any{"serial": d.Serial, "apps": len(d.Apps)})})
	s.tell()
}

// getProject is GET /project: the signed descriptor, byte for byte.
func (s *Server) getProject(*http.Request, wob.NodeID) (reply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return ok(s.raw)
}

// getApp is GET /apps/{name}/{version}: only what the descriptor names.
func (s *Server) getApp(w http.ResponseWriter, r *http.Request) {
	a, err := s.Project().App(r.PathValue("name") + "@" + r.PathValue("version"))
	if err != nil {
		s.refuse(w, notFound("%v", err))
		return
	}
	f, err := os.Open(project.PackagePath(s.cfg.ProjectDir, a))
	if errors.Is(err, fs.ErrNotExist) {
		s.refuse(w, notFound("the package of %s %s is missing in the project directory", a.Name, a.Version))
		return
	}
	if err != nil {
		s.refuse(w, err)
		return
	}
	defer f.Close()
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Hour)) // 512 MiB over a slow line
	w.Header().Set("Content-Type", "application/x-tar")
	http.ServeContent(w, r, "", time.Time{}, f)
}
