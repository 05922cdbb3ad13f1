package banks

import (
	"time"

	"bahi/ledger"
)

// releaseAfter is for how long nothing open may be seen of a bank that left the
// registry before it is forgotten: whatever was on its way into the book when it
// left is seen by then.
const releaseAfter = time.Minute

// release forgets the banks that are leaving once nothing is open at them any
// more, and no transfer may still come to need them. What other nodes drive counts
// too: it is this node's when they die.
func (d *Dispatcher) release(drivers []ledger.ID) error {
	s, leaving := &d.sweeper, d.registry.leaving()
	now := d.opt.Clock.Now()
	if len(leaving) == 0 || now.Sub(s.counted) < releaseAfter/6 {
		return nil
	}
	s.counted = now
	needed := map[string]bool{}
	for _, node := range drivers {
		err := d.walk(node, ledger.DuePlace{}, forever, func(tasks []ledger.Task) {
			for i := range tasks {
				needed[tasks[i].Transfer.Payer.Bank], needed[tasks[i].Transfer.Payee.Bank] = true, true
			}
		})
		if err != nil {
			return err
		}
	}
	unused := map[string]time.Time{} // without those that came back
	for _, code := range leaving {
		since, ok := s.unused[code]
		l, _ := d.lane(code)
		switch {
		case needed[code] || !l.idle():
		case !ok:
			unused[code] = now
		case now.Sub(since) < releaseAfter:
			unused[code] = since
		default:
			d.registry.forget(code, func() { d.lanes.Delete(code) })
			d.opt.Log.Info("a bank has left: nothing of it is open any more", "bank", code)
		}
	}
	s.unused = unused
	return nil
}
