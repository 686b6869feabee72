package sdk

import "github.com/wobcompute/wobcompute/wob/appapi"

// invokeOptional calls a callback that applications may lack.
func (d *dispatcher) invokeOptional(m message) (any, error) {
	switch m.Method {
	case appapi.OnWOBRequest, appapi.OnWOBOfferAck, appapi.OnWOBOfferRelease, appapi.OnWOBChildReturn, appapi.OnWOBChildFinished:
		if s, ok := d.app.(Splitter); ok {
			return invokeSplitter(s, m)
		}
	case appapi.OnWOBChildAck:
		var p appapi.ChildParams
		if a, ok := d.app.(ChildAcker); ok && decode(m.Params, &p) == nil {
			a.OnWOBChildAck(p.Child)
			return nil, nil
		}
	case appapi.OnWOBMsg:
		var p appapi.MsgParams
		if r, ok := d.app.(MsgReceiver); ok && decode(m.Params, &p) == nil {
			r.OnWOBMsg(p.From, p.Data)
			return nil, nil
		}
	case appapi.OnWOBChildLost:
		if l, ok := d.app.(LostDecider); ok {
			var p appapi.LostParams
			if err := decode(m.Params, &p); err != nil {
				return nil, err
			}
			return appapi.LostResult{Action: string(l.OnWOBChildLost(p.Child, p.Backup))}, nil
		}
	}
	return nil, unknown(m.Method)
}

// invokeSplitter calls a callback of Splitter.
func invokeSplitter(s Splitter, m message) (any, error) {
	switch m.Method {
	case appapi.OnWOBRequest:
		var p appapi.RequestParams
		if err := decode(m.Params, &p); err != nil {
			return nil, err
		}
		offer, err := s.OnWOBRequest(p.Request, p.Self)
		return appapi.RequestResult{Offer: offer}, err
	case appapi.OnWOBOfferAck:
		var p appapi.OfferParams
		if err := decode(m.Params, &p); err != nil {
			return nil, err
		}
		child, err := s.OnWOBOfferAck(p.Offer, p.Child)
		return appapi.OfferAckResult{Child: child}, err
	case appapi.OnWOBOfferRelease:
		var p appapi.OfferParams
		if err := decode(m.Params, &p); err != nil {
			return nil, err
		}
		s.OnWOBOfferRelease(p.Offer)
		return nil, nil
	case appapi.OnWOBChildReturn:
		var p appapi.ReturnParams
		if err := decode(m.Params, &p); err != nil {
			return nil, err
		}
		return nil, s.OnWOBChildReturn(p.Child, p.Boundary, p.Checkpoint)
	default:
		var p appapi.WOBParams
		if err := decode(m.Params, &p); err != nil {
			return nil, err
		}
		return nil, s.OnWOBChildFinished(&p.WOB)
	}
}
