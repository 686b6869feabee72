package work

import (
	"maps"

	"github.com/wobcompute/wobcompute/wob"
)

// disk is a store whose writes are safe once synced.
type disk struct {
	held, heldSafe map[wob.ID]*wob.WOB
	backups        map[wob.ID]*wob.WOB
	gone           map[wob.ID]bool
}

func newDisk() disk {
	return disk{map[wob.ID]*wob.WOB{}, map[wob.ID]*wob.WOB{}, map[wob.ID]*wob.WOB{}, map[wob.ID]bool{}}
}

func (d *disk) store(s Store) (newer []*wob.WOB) {
	for _, h := range s.Hold {
		d.held[h.ID] = h
	}
	for _, id := range s.Drop {
		delete(d.held, id)
	}
	for _, b := range s.Backups {
		if old := d.backups[b.ID]; old != nil && b.Stamp().Less(old.Stamp()) {
			newer = append(newer, old)
		} else if !d.gone[b.ID] {
			d.backups[b.ID] = b
		}
	}
	for _, e := range s.DropBackups {
		delete(d.backups, e.ID)
		d.gone[e.ID] = true
	}
	if s.Sync {
		clear(d.heldSafe)
		for id, h := range d.held {
			d.heldSafe[id] = h
		}
	}
	return newer
}

func (d *disk) load(id wob.ID) (*wob.WOB, bool) { return d.backups[id], d.gone[id] }

// crash returns what a start finds.
func (d *disk) crash(lose bool) []*wob.WOB {
	if lose {
		d.held = maps.Clone(d.heldSafe)
	}
	var all []*wob.WOB
	for _, id := range sortedKeys(d.held) {
		all = append(all, d.held[id])
	}
	return all
}
