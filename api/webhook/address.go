package webhook

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"syscall"
)

// errAddress means that a host's name led to where nothing may be sent to.
var errAddress = errors.New("not a public address")

// MaxURL is how long the URL of an endpoint may be, in bytes.
const MaxURL = 2048

// CheckURL says, for people, what is wrong with the URL of an endpoint. Where a host's
// name leads to is checked at each connection, since it may lead elsewhere by then.
func (s *Sender) CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Opaque != "" || u.Hostname() == "" || len(text) > MaxURL || !printable(text):
		return errors.New("not a URL such as https://chat.example/bahi, at most " + strconv.Itoa(MaxURL) + " characters of ASCII")
	case u.Scheme != "https" && !(s.private && u.Scheme == "http"):
		return errors.New("the URL begins with https://")
	case u.User != nil:
		return errors.New("a URL with a user or a password in it is refused: deliveries are signed instead")
	case u.Fragment != "":
		return errors.New("a URL with a # in it is refused: what is behind it is never sent")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return errors.New("the port of the URL is 1 to 65535")
		}
	}
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil && !s.private && !public(addr) {
		return errors.New("the URL's address is not a public one")
	}
	return nil
}

func printable(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// control is called by the dialer with the very address that it connects to, so that a
// name that leads elsewhere the next time does not get round it.
func control(_, address string, _ syscall.RawConn) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if !public(a.Addr()) {
		return errAddress
	}
	return nil
}

// prefixes parses networks.
func prefixes(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

var (
	// What the IANA special-purpose registry of IPv4 has that is not reachable by all, and multicast.
	closed4 = prefixes("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
		"192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4")
	// Of IPv6 only this is given out, but for what is in it for tunnels, tests and examples.
	open6   = netip.MustParsePrefix("2000::/3")
	closed6 = prefixes("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
	// Behind it is an address of IPv4.
	nat64 = netip.MustParsePrefix("64:ff9b::/96")
)

// public says whether an address is one that everybody reaches.
func public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	if a.Is4() {
		return !within(a, closed4)
	}
	return open6.Contains(a) && !within(a, closed6)
}

func within(a netip.Addr, networks []netip.Prefix) bool {
	for _, n := range networks {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// dialer connects to public addresses only, unless private ones are allowed too.
func (s *Sender) dialer() *net.Dialer {
	if s.private {
		return &net.Dialer{}
	}
	return &net.Dialer{Control: control}
}
