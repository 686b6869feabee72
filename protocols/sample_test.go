package protocols

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"

	"github.com/wobcompute/wobcompute/wob"
)

// sampler makes valid values of every message type by reflection, so that a new message is covered by
// the tests of all of them from its first day.
type sampler struct {
	*rand.Rand
	full bool // no empty list, no nil pointer
}

func (s sampler) uuid() string {
	return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", s.Uint32(), s.IntN(1<<16), s.IntN(1<<12), s.IntN(1<<12), s.Int64N(1<<48))
}

func (s sampler) word() string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_/.<&"
	b := make([]byte, 1+s.IntN(20))
	for i := range b {
		b[i] = letters[s.IntN(len(letters))]
	}
	return string(b)
}

func (s sampler) raw() wob.Raw {
	words := make([]string, s.IntN(300))
	for i := range words {
		words[i] = fmt.Sprintf(`{"<k%d>":[%d,"%s"]}`, i, s.Int64(), s.word())
	}
	return wob.Raw("[" + strings.Join(words, ",") + "]")
}

func (s sampler) wob() *wob.WOB {
	w := &wob.WOB{
		ID: wob.ID(s.uuid()), App: "primes@1.0.0", Parent: wob.ID(s.uuid()), Epoch: s.Uint64N(9),
		Moves: s.Uint64N(9), Holder: wob.NodeID(s.word()), Version: s.Uint64N(99), State: wob.Running,
		Boundary: s.raw(), Checkpoint: s.raw(), Result: s.raw(), Effort: wob.Effort{Total: 10, Remaining: s.Float64()},
	}
	for range s.IntN(4) {
		w.Children = append(w.Children, wob.Child{ID: wob.ID(s.uuid()), Boundary: s.raw(), State: wob.Created, Birth: s.raw()})
	}
	return w
}

// body returns a valid random body of d's kind.
func (s sampler) body(d *Definition) Body {
	v := reflect.New(d.Type).Elem()
	s.fill(v)
	return s.agree(v.Interface().(Body))
}

func (s sampler) fill(v reflect.Value) {
	switch p := v.Addr().Interface().(type) {
	case *wob.ID:
		*p = wob.ID(s.uuid())
		return
	case *wob.Raw:
		*p = s.raw()
		return
	case *wob.State:
		*p = wob.Suspended
		return
	case *Answer:
		*p = []Answer{Found, Absent, Unknown}[s.IntN(3)]
		return
	case *wob.WOB:
		*p = *s.wob()
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(s.word())
	case reflect.Bool:
		v.SetBool(s.full || s.IntN(2) == 0)
	case reflect.Int, reflect.Int64:
		v.SetInt(s.Int64N(1<<40) + 1)
	case reflect.Uint64:
		v.SetUint(s.Uint64())
	case reflect.Uint8:
		v.SetUint(s.Uint64N(256))
	case reflect.Float64:
		v.SetFloat(s.ExpFloat64() * 1e6)
	case reflect.Pointer:
		if s.full || s.IntN(2) == 0 {
			v.Set(reflect.New(v.Type().Elem()))
			s.fill(v.Elem())
		}
	case reflect.Slice:
		if n := 1 + s.IntN(4); s.full || n > 1 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				s.fill(v.Index(i))
			}
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 1 + s.IntN(4) {
			key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			s.fill(key)
			s.fill(elem)
			v.SetMapIndex(key, elem)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			s.fill(v.Field(i))
		}
	default:
		panic("no sample for " + v.Type().String())
	}
}

// view makes v one that a cluster can have.
func (s sampler) view(v *View) {
	if len(v.Supervisors) == 0 {
		v.Supervisors = make([]Supervisor, 1)
	}
	for i := range v.Supervisors {
		s.fill(reflect.ValueOf(&v.Supervisors[i]).Elem())
		v.Supervisors[i].ID = wob.NodeID(fmt.Sprint(i, "-", s.IntN(1000)))
		v.Supervisors[i].ID = wob.NodeID(strings.ReplaceAll(string(v.Supervisors[i].ID), " ", ""))
	}
}

// agree makes the fields that depend on each other fit.
func (s sampler) agree(b Body) Body {
	switch m := b.(type) {
	case Accept:
		s.view(&m.View)
		return m
	case Refuse:
		s.view(&m.View)
		return m
	case ViewIs:
		s.view(&m.View)
		return m
	case Commit:
		s.view(&m.View)
		return m
	case Prepare:
		s.view(&m.Next)
		m.Next.Epoch = m.Base + 1
		return m
	case Prepared:
		if m.View != nil {
			s.view(m.View)
		}
		return m
	case AnswerIs:
		m.Entry = nil
		if m.Answer == Found {
			m.Entry = new(Entry)
			s.fill(reflect.ValueOf(m.Entry).Elem())
			m.Entry.ID = m.WOB
		}
		return m
	case BackupAck:
		m.Newer, m.Stale = make([]wob.Stamp, 2), []wob.ID{wob.ID(s.uuid()), wob.ID(s.uuid())}
		return m
	case FinishedAck:
		m.Verdict = "merged"
		return m
	case Transfer:
		m.WOB = s.wob()
		return m
	case Finished:
		m.WOB = s.wob()
		return m
	case Backup:
		m.WOBs = []*wob.WOB{s.wob(), s.wob()}
		return m
	case BackupIs:
		m.WOB = s.found(m.Found, m.ID)
		return m
	case Info:
		m.WOB = s.found(m.Found, m.ID)
		return m
	}
	return b
}

func (s sampler) found(found bool, id wob.ID) *wob.WOB {
	if !found {
		return nil
	}
	w := s.wob()
	w.ID = id
	return w
}

func (s sampler) envelope() Envelope {
	return Envelope{
		ApplicationID: "project", MessageID: s.uuid(), SenderID: "12D3KooWsender", SenderAddress: "/ip4/1.2.3.4/tcp/1",
		DestID: "12D3KooWdest", DestAddress: "/ip4/1.2.3.5/udp/1/quic-v1", Relayed: s.IntN(2) == 0,
	}
}

// text is the JSON of v, with the WOBs that JSON leaves out: to compare, and to show a difference.
func text(b Body) string {
	data, err := json.Marshal(b)
	if err != nil {
		return err.Error()
	}
	out := string(data)
	if c, ok := b.(Carrier); ok {
		for _, w := range c.Carried() {
			data, err := w.Encode()
			out += fmt.Sprintf("\n%s %v", data, err)
		}
	}
	return out
}
