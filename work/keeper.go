package work

import (
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// What a supervisor does for others: it keeps their snapshots (paper, section 3.1.3).

var (
	_ = onMessage((*Machine).keepBackup)
	_ = onMessage((*Machine).giveBackup)
	_ = onInput(func(m *Machine, in EntryGone) {
		if m.supervisor {
			m.emit(Store{Token: m.token(), DropBackups: []protocols.Entry{in.Entry}})
		}
	})
)

// maxKeeping bounds the batches that wait for this node's disk.
const maxKeeping = 1024

// keepBackup acknowledges snapshots once they, or newer ones, are on disk. One of an
// older incarnation is refused: its sender learns that it holds a superseded copy.
func (m *Machine) keepBackup(from wob.NodeID, b protocols.Backup) {
	if !m.supervisor {
		m.send(from, nil, protocols.BackupAck{Token: b.Token, Reason: "not a supervisor"})
		return
	}
	for _, w := range b.WOBs {
		if err := sound(w); err != nil {
			m.reject(from, b.Kind(), err.Error())
			m.send(from, nil, protocols.BackupAck{Token: b.Token, Reason: "invalid WOB"})
			return
		}
	}
	if len(m.onStored) >= maxKeeping {
		m.reject(from, b.Kind(), "too many snapshots wait for the disk")
		return // it is sent again, or to another supervisor
	}
	token := m.token()
	m.onStored[token] = func(in Stored) {
		ack := protocols.BackupAck{Token: b.Token, OK: in.Err == ""}
		if in.Err != "" {
			ack.Reason = "the snapshots could not be stored"
		}
		for _, newer := range in.Newer {
			for _, w := range b.WOBs {
				if w.ID == newer.ID && w.Incarnation().Less(newer.Incarnation()) {
					ack.OK = false
					ack.Newer = append(ack.Newer, newer.Stamp())
					ack.Stale = append(ack.Stale, newer.ID)
				}
			}
		}
		m.send(from, nil, ack)
	}
	m.emit(Store{Token: token, Backups: b.WOBs, Sync: true})
}

func (m *Machine) giveBackup(from wob.NodeID, g protocols.BackupGet) {
	if len(m.onLoaded) >= maxKeeping {
		m.reject(from, g.Kind(), "too many queries wait for the disk")
		return
	}
	token := m.token()
	m.onLoaded[token] = func(in Loaded) {
		w := in.WOB
		if r := m.recs[g.WOB]; r != nil && r.stored != nil && (w == nil || w.Stamp().Less(r.stored.Stamp())) {
			w = r.stored
		}
		m.send(from, nil, protocols.BackupIs{Token: g.Token, ID: g.WOB, Found: w != nil, Gone: in.Gone, WOB: w})
	}
	m.emit(Load{Token: token, WOB: g.WOB})
}
