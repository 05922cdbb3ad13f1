package ledger

// OpenParty makes a party known. It returns the [Party].
type OpenParty struct {
	Party Party // all but Default and Created
}

// Declare implements [Command].
func (c OpenParty) Declare(s *Set) {
	s.Parties.New(c.Party.ID)
	s.Persons.New(c.Party.ID) // made with the row, by whoever keeps it encrypted
}

// Apply implements [Command].
func (c OpenParty) Apply(s *Set) (any, error) {
	p := c.Party
	p.Created = s.Now
	s.Parties.Put(p.ID, p)
	return p, nil
}

// LinkInstrument gives a party an instrument. The first one that holds money
// becomes the party's default; a wallet opens its account. It returns the [Instrument].
type LinkInstrument struct {
	Instrument  Instrument // all but Unlinked and Created
	MakeDefault bool
}

// Declare implements [Command].
func (c LinkInstrument) Declare(s *Set) {
	s.Parties.Want(c.Instrument.Party)
	s.Instruments.New(c.Instrument.ID)
	for _, a := range c.Instrument.Aliases() {
		s.Aliases.Want(a)
	}
	if c.Instrument.Kind == Wallet {
		s.WantAccount(WalletAccount(c.Instrument.Party, c.Instrument.Currency))
	}
}

// Apply implements [Command].
func (c LinkInstrument) Apply(s *Set) (any, error) {
	i := c.Instrument
	p, ok := s.Parties.Get(i.Party)
	if !ok || p.App != i.App {
		return nil, refuse(CodePartyNotFound, "there is no party %s", i.Party.PartyRef())
	}
	if p.Closed != 0 {
		return nil, refuse(CodePartyClosed, "the party was closed to be erased; open a new one")
	}
	if c.MakeDefault && !i.Kind.HoldsMoney() {
		return nil, refuse(CodeNotAPaymentMethod, "a %s holds no money and cannot be the default", i.Kind)
	}
	for _, a := range i.Aliases() {
		if _, taken := s.Aliases.Get(a); taken {
			return nil, refuse(CodeInstrumentTaken, "this %s is linked already; unlink it first", a.Kind)
		}
	}
	i.Created = s.Now
	s.Instruments.Put(i.ID, i)
	for _, a := range i.Aliases() {
		s.Aliases.Put(a, AliasTarget{Instrument: i.ID, Party: i.Party})
	}
	if i.Kind == Wallet {
		a := s.account(WalletAccount(i.Party, i.Currency))
		s.Accounts.Put(a.ID, a)
	}
	if i.Kind.HoldsMoney() && (c.MakeDefault || p.Default.IsZero()) {
		p.Default = i.ID
		s.Parties.Put(p.ID, p)
	}
	return i, nil
}

// UnlinkInstrument takes an instrument from a party; its names are free again.
// Doing it again changes nothing. A wallet must be empty. It returns the [Instrument].
type UnlinkInstrument struct {
	Instrument Instrument // as read before the batch: only what never changes of it is used
}

// Declare implements [Command].
func (c UnlinkInstrument) Declare(s *Set) {
	s.Parties.Want(c.Instrument.Party)
	s.Instruments.Want(c.Instrument.ID)
	for _, a := range c.Instrument.Aliases() {
		s.Aliases.Want(a)
	}
	if c.Instrument.Kind == Wallet {
		s.WantAccount(WalletAccount(c.Instrument.Party, c.Instrument.Currency))
	}
}

// refusal is the rule that keeps the instrument linked, if any does.
func (c *UnlinkInstrument) refusal(s *Set) error {
	i, ok := s.Instruments.Get(c.Instrument.ID)
	if !ok {
		return refuse(CodeInstrumentNotFound, "there is no instrument %s", c.Instrument.ID.InstrumentRef())
	}
	if !i.Unlinked && i.Kind == Wallet {
		if a := s.account(WalletAccount(i.Party, i.Currency)); a.Balance() != 0 {
			return refuse(CodeWalletNotEmpty, "the wallet holds money; withdraw it first")
		}
	}
	return nil
}

// Apply implements [Command].
func (c UnlinkInstrument) Apply(s *Set) (any, error) {
	if err := c.refusal(s); err != nil {
		return nil, err
	}
	i, _ := s.Instruments.Get(c.Instrument.ID)
	if i.Unlinked {
		return i, nil
	}
	i.Unlinked = true
	s.Instruments.Put(i.ID, i)
	for _, a := range i.Aliases() {
		s.Aliases.Delete(a)
	}
	if p, _ := s.Parties.Get(i.Party); p.Default == i.ID {
		p.Default = ID{}
		s.Parties.Put(p.ID, p)
	}
	return i, nil
}

// SetDefault makes an instrument the one that pays and is paid when none is
// named. It returns the [Party].
type SetDefault struct {
	Party      ID
	Instrument ID
}

// Declare implements [Command].
func (c SetDefault) Declare(s *Set) {
	s.Parties.Want(c.Party)
	s.Instruments.Want(c.Instrument)
}

// Apply implements [Command].
func (c SetDefault) Apply(s *Set) (any, error) {
	p, ok := s.Parties.Get(c.Party)
	if !ok {
		return nil, refuse(CodePartyNotFound, "there is no party %s", c.Party.PartyRef())
	}
	i, ok := s.Instruments.Get(c.Instrument)
	if !ok || i.Party != c.Party || i.Unlinked {
		return nil, refuse(CodeInstrumentNotFound, "the party has no instrument %s", c.Instrument.InstrumentRef())
	}
	if !i.Kind.HoldsMoney() {
		return nil, refuse(CodeNotAPaymentMethod, "a %s holds no money and cannot be the default", i.Kind)
	}
	p.Default = i.ID
	s.Parties.Put(p.ID, p)
	return p, nil
}

// FreezeWallet keeps a wallet out of new transfers, or lets it in again. It returns the [Account].
type FreezeWallet struct {
	Party    ID
	Currency Currency
	Frozen   bool
}

// Declare implements [Command].
func (c FreezeWallet) Declare(s *Set) { s.WantAccount(WalletAccount(c.Party, c.Currency)) }

// Apply implements [Command].
func (c FreezeWallet) Apply(s *Set) (any, error) {
	name := WalletAccount(c.Party, c.Currency)
	a, ok := s.Accounts.Get(name.ID())
	if !ok {
		return nil, refuse(CodeAccountNotFound, "there is no account %s in %s", name.Path, name.Currency)
	}
	a.Frozen = c.Frozen
	s.Accounts.Put(a.ID, a)
	return a, nil
}
