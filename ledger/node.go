package ledger

import "slices"

// Node is one process that serves the book. Several may share one database:
// each open instruction is driven by one of them, and a node that stops beating
// loses its instructions to the others. What is gone never comes back: a process
// that was taken for dead goes on under a new ID.
type Node struct {
	ID      ID
	Beat    int64 // how often it said that it lives
	Stripe  int   // which part of the accounts that all share it posts to
	Gone    bool  // it left or was taken for dead: it drives nothing any more
	Started int64 // Unix microseconds
}

// Beat says that a node lives, and makes it known the first time. It returns the
// [Node]; one that is gone is refused with [CodeNodeGone].
type Beat struct {
	Node  ID
	Known []Node // those that are not gone, as read before the batch: it takes a stripe that none of them has
}

// Declare implements [Command].
func (c Beat) Declare(s *Set) {
	s.Nodes.Want(c.Node)
	for i := range c.Known {
		s.Nodes.Want(c.Known[i].ID)
	}
}

// Apply implements [Command].
func (c Beat) Apply(s *Set) (any, error) {
	n, ok := s.Nodes.Get(c.Node)
	switch {
	case n.Gone:
		return nil, refuse(CodeNodeGone, "node %s was taken for dead; go on under a new id", c.Node.NodeRef())
	case !ok:
		n = Node{ID: c.Node, Stripe: c.freeStripe(s), Started: s.Now}
	}
	n.Beat++
	s.Nodes.Put(n.ID, n)
	return n, nil
}

// freeStripe is the lowest that no known node has. Two nodes that start at once
// may get the same: they wait for each other then, and nothing worse.
func (c Beat) freeStripe(s *Set) int {
	var taken []int
	for i := range c.Known {
		if n, ok := s.Nodes.Get(c.Known[i].ID); ok && !n.Gone {
			taken = append(taken, n.Stripe)
		}
	}
	free := 0
	for slices.Contains(taken, free) {
		free++
	}
	return free
}

// Fence declares a node gone: itself, when it leaves, or one that was seen to
// beat no more. It is refused with [CodeNodeAlive] if the node has beaten since.
type Fence struct {
	Node ID
	Beat int64 // the node's last one that was seen; 0 for a node without a row
}

// Declare implements [Command].
func (c Fence) Declare(s *Set) { s.Nodes.Want(c.Node) }

// Apply implements [Command]; it returns nothing.
func (c Fence) Apply(s *Set) (any, error) {
	n, ok := s.Nodes.Get(c.Node)
	switch {
	case n.Gone || c.Node.IsZero(): // instructions made by no node are anybody's
		return nil, nil
	case ok && n.Beat != c.Beat:
		return nil, refuse(CodeNodeAlive, "node %s has beaten since", c.Node.NodeRef())
	case !ok: // it must not come to life later: its work is being taken
		n = Node{ID: c.Node, Started: s.Now}
	}
	n.Gone = true
	s.Nodes.Put(n.ID, n)
	return nil, nil
}

// TakeOver gives an open instruction of a dead node to the node of the batch
// and fences the dead one. The instruction stays as it is, so its bank is asked
// what became of it before it is sent again. It returns the [Instruction].
// Taking over again is safe.
type TakeOver struct {
	ID   InstructionID
	From ID
	Beat int64 // From's last one that was seen, as in [Fence]
}

// Declare implements [Command].
func (c TakeOver) Declare(s *Set) {
	s.Instructions.Want(c.ID)
	s.Transfers.Want(c.ID.Transfer) // whose lock is its instructions' too
	Fence{Node: c.From}.Declare(s)
}

// Apply implements [Command].
func (c TakeOver) Apply(s *Set) (any, error) {
	i, ok := s.Instructions.Get(c.ID)
	switch {
	case ok && i.State.Open() && i.Node == s.Node && c.From != s.Node:
		return i, nil
	case !ok || !i.State.Open() || i.Node != c.From || c.From == s.Node:
		return nil, refuse(CodeInstructionNotFound, "instruction %s is not open under node %s", c.ID, c.From.NodeRef())
	}
	if _, err := (Fence{Node: c.From, Beat: c.Beat}).Apply(s); err != nil {
		return nil, err
	}
	i.Node = s.Node
	s.Instructions.Put(i.ID, i)
	return i, nil
}
