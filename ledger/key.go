package ledger

// Role says what the holder of an API key may do.
type Role uint8

// The roles.
const (
	RoleChat      Role = iota + 1 // a chat backend: its own app's parties and transfers
	RoleBank                      // a bank: reports results of its own instructions
	RoleAuditor                   // reads everything but personal data, changes nothing
	RoleOperator                  // reads what an auditor reads, handles keys and frozen accounts
	RoleInspector                 // an auditor who may also see personal data
)

var roleNames = [...]string{RoleChat: "chat", RoleBank: "bank", RoleAuditor: "auditor", RoleOperator: "operator", RoleInspector: "inspector"}

// String is the role's word.
func (r Role) String() string { return nameOf(roleNames[:], r) }

// ParseRole reads what String wrote.
func ParseRole(s string) (Role, bool) { return parseName[Role](roleNames[:], s) }

// RoleNames are the words of all roles.
func RoleNames() []string { return roleNames[1:] }

// Key is an API key as the book knows it: never the secret, only its hash.
type Key struct {
	ID        ID
	Role      Role
	App       string   // chat keys: the app
	Bank      string   // bank keys: the bank's code
	Label     string   // for people
	Hash      [32]byte // SHA-256 of the secret, which holds 256 random bits
	PublicKey []byte   // bank keys: Ed25519 key that the bank's results are signed with
	Created   int64
	Revoked   int64 // 0 while valid
}

// CreateKey makes an API key valid. It returns the [Key].
type CreateKey struct {
	Key Key // all but Created and Revoked
}

// Declare implements [Command].
func (c CreateKey) Declare(s *Set) { s.Keys.New(c.Key.ID) }

// Apply implements [Command].
func (c CreateKey) Apply(s *Set) (any, error) {
	k := c.Key
	k.Created = s.Now
	s.Keys.Put(k.ID, k)
	return k, nil
}

// RevokeKey ends an API key for good. Doing it again changes nothing. It returns the [Key].
type RevokeKey struct {
	ID ID
}

// Declare implements [Command].
func (c RevokeKey) Declare(s *Set) { s.Keys.Want(c.ID) }

// Apply implements [Command].
func (c RevokeKey) Apply(s *Set) (any, error) {
	k, ok := s.Keys.Get(c.ID)
	if !ok {
		return nil, refuse(CodeKeyNotFound, "there is no key %s", c.ID.KeyRef())
	}
	if k.Revoked == 0 {
		k.Revoked = s.Now
		s.Keys.Put(k.ID, k)
	}
	return k, nil
}
