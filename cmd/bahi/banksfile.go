package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"bahi/banks"
	"bahi/banks/sim"
	"bahi/ledger"
)

// bankEntry is one bank of a banks file.
type bankEntry struct {
	bank        banks.Bank // without its adapter
	rail        string
	endpoint    string // where the rail finds the bank, or empty
	credentials secret
	latency     time.Duration // of a simulated bank
	profile     string        // of a simulated bank, or empty

	lines map[string]int // by key; "" is where the entry begins
}

// secret is what no log and no message may show: behind a pointer, whatever
// prints the entry does not follow it.
type secret struct{ hidden *string }

func (s secret) reveal() string {
	if s.hidden == nil {
		return ""
	}
	return *s.hidden
}

// bankFile is a banks file as it is written.
type bankFile struct {
	Banks []bankYAML `yaml:"banks"`
}

type bankYAML struct {
	Code        at[string]        `yaml:"code"`
	Name        at[string]        `yaml:"name"`
	IFSCPrefix  at[string]        `yaml:"ifsc_prefix"`
	Handles     at[[]string]      `yaml:"handles"`
	Rail        at[string]        `yaml:"rail"`
	Endpoint    at[string]        `yaml:"endpoint"`
	Credentials at[string]        `yaml:"credentials"`
	MaxInFlight at[int]           `yaml:"max_in_flight"`
	MaxAmount   at[string]        `yaml:"max_amount"`
	NetDebitCap at[string]        `yaml:"net_debit_cap"`
	Latency     at[time.Duration] `yaml:"latency"`
	Profile     at[string]        `yaml:"profile"`
}

// at is a value and its line.
type at[T any] struct {
	value T
	line  int // 0: it is not there
}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (a *at[T]) UnmarshalYAML(n *yaml.Node) error {
	a.line = n.Line
	return n.Decode(&a.value)
}

// fileErrors are the mistakes in a file, with their lines.
type fileErrors struct {
	path  string
	found []lineError
}

type lineError struct {
	line int
	why  string
}

func (e *fileErrors) add(line int, format string, args ...any) {
	e.found = append(e.found, lineError{line, fmt.Sprintf(format, args...)})
}

// Error has a line for each mistake.
func (e *fileErrors) Error() string {
	slices.SortStableFunc(e.found, func(a, b lineError) int { return cmp.Compare(a.line, b.line) })
	lines := make([]string, len(e.found))
	for n, f := range e.found {
		lines[n] = fmt.Sprintf("%s:%d: %s", e.path, f.line, f.why)
	}
	return strings.Join(lines, "\n")
}

// Bounds of a banks file.
const (
	maxBanksFile   = 4 << 20 // bytes
	maxBankName    = 99      // characters
	maxAtOnce      = 10_000
	maxCredentials = 64 << 10 // bytes
)

// readBanksFile reads a banks file whole, or says all that is wrong with it. The
// credentials that it refers to are read too; no message shows one.
func readBanksFile(path string) ([]bankEntry, error) {
	return readSettings(path, "the banks file", maxBanksFile, parseBanks)
}

// readSettings reads a file of settings whole, or says all that is wrong with it.
func readSettings[V any](path, what string, most int, parse func(text []byte, wrong *fileErrors) V) (v V, err error) {
	text, err := readBounded(path, what, most)
	if err != nil {
		return v, err
	}
	wrong := &fileErrors{path: path}
	read := parse(text, wrong)
	if len(wrong.found) > 0 {
		return v, wrong
	}
	return read, nil
}

// readBounded reads a file that is not larger than a number of bytes.
func readBounded(path, what string, most int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", what, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, int64(most)+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s cannot be read: %w", what, err)
	case len(text) > most:
		return nil, fmt.Errorf("%s %s is larger than %d bytes", what, path, most)
	}
	return text, nil
}

// decodeYAML decodes the one document of a file, io.EOF where it has none.
func decodeYAML(text []byte, into any) error {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if next := decoder.Decode(&yaml.Node{}); next != io.EOF {
		return errors.New("line 1: the file holds more than one document")
	}
	return nil
}

func parseBanks(text []byte, wrong *fileErrors) []bankEntry {
	var file bankFile
	switch err := decodeYAML(text, &file); {
	case err == io.EOF || err == nil && len(file.Banks) == 0:
		wrong.add(1, "there are no banks in it")
		return nil
	case err != nil:
		wrong.addYAML(err)
		return nil
	}
	starts := entryLines(text, wrong)
	if len(wrong.found) > 0 {
		return nil
	}
	entries := make([]bankEntry, len(file.Banks))
	list := make([]banks.Bank, len(entries))
	for n := range file.Banks {
		entries[n] = file.Banks[n].read(starts[n], wrong)
		list[n] = entries[n].bank
		list[n].Adapter = unopened{}
	}
	if len(wrong.found) == 0 {
		if _, err := banks.NewRegistry(list); err != nil {
			wrong.addBank(entries, err)
		}
	}
	return entries
}

// unopened stands for a bank's adapter while its entry is checked.
type unopened struct{ banks.Adapter }

// entryLines are the lines where the banks begin. The decoder passes over an entry
// without anything in it.
func entryLines(text []byte, wrong *fileErrors) (lines []int) {
	var document yaml.Node
	_ = yaml.Unmarshal(text, &document) // it has been, without an error
	top := document.Content[0]
	for i := 0; i+1 < len(top.Content); i += 2 {
		if top.Content[i].Value == "banks" {
			for _, entry := range resolved(top.Content[i+1]).Content {
				if resolved(entry).ShortTag() == "!!null" {
					wrong.add(entry.Line, "there is nothing in this entry")
				}
				lines = append(lines, entry.Line)
			}
		}
	}
	return lines
}

// resolved is the node that an alias stands for.
func resolved(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// Messages of the YAML parser, and what they hold.
var (
	yamlLine    = regexp.MustCompile(`line (\d+): (.*)`)
	yamlUnknown = regexp.MustCompile("^field (.*) not found in type .*")
	yamlKind    = regexp.MustCompile("^cannot unmarshal (!!\\w+)(?: `.*`)? into (?:\\[\\])?(.*)")
)

// addYAML takes what the parser says, without the values that it quotes: one may
// be a secret in the wrong place.
func (e *fileErrors) addYAML(err error) {
	for line := range strings.Lines(err.Error()) {
		found := yamlLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if found == nil {
			continue
		}
		n, _ := strconv.Atoi(found[1])
		why := found[2]
		if unknown := yamlUnknown.FindStringSubmatch(why); unknown != nil {
			why = fmt.Sprintf("there is no key %q", unknown[1])
		} else if kind := yamlKind.FindStringSubmatch(why); kind != nil {
			why = "this is " + cmp.Or(yamlWords[kind[1]], "a value") + ", and something else belongs here"
		}
		e.add(n, "%s", why)
	}
	if len(e.found) == 0 {
		e.add(1, "%s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
}

var yamlWords = map[string]string{"!!map": "a map of keys", "!!seq": "a list", "!!str": "text", "!!int": "a number", "!!float": "a number", "!!bool": "true or false"}

// addBank takes what the registry says of one bank.
func (e *fileErrors) addBank(entries []bankEntry, err error) {
	var wrong *banks.BankError
	if !errors.As(err, &wrong) {
		e.add(1, "%v", err)
		return
	}
	e.add(entries[wrong.N].line(bankKeys[wrong.Field]), "%s", wrong.Why)
}

// bankKeys are the keys of the fields of a bank.
var bankKeys = map[string]string{"Code": "code", "IFSCPrefix": "ifsc_prefix", "Handles": "handles", "Adapter": "rail",
	"MaxInFlight": "max_in_flight", "MaxAmount": "max_amount", "NetDebitCap": "net_debit_cap"}

// line is where a key stands, or else where the entry begins.
func (e *bankEntry) line(key string) int { return cmp.Or(e.lines[key], e.lines[""]) }

// read checks what the registry cannot know of an entry that begins at a line.
func (y *bankYAML) read(start int, wrong *fileErrors) bankEntry {
	e := bankEntry{rail: y.Rail.value, endpoint: y.Endpoint.value, latency: y.Latency.value, profile: y.Profile.value,
		bank: banks.Bank{Code: y.Code.value, Name: y.Name.value, IFSCPrefix: y.IFSCPrefix.value, Handles: y.Handles.value, MaxInFlight: y.MaxInFlight.value},
		lines: map[string]int{"": start, "code": y.Code.line, "name": y.Name.line, "ifsc_prefix": y.IFSCPrefix.line, "handles": y.Handles.line,
			"rail": y.Rail.line, "endpoint": y.Endpoint.line, "credentials": y.Credentials.line, "max_in_flight": y.MaxInFlight.line,
			"max_amount": y.MaxAmount.line, "net_debit_cap": y.NetDebitCap.line, "latency": y.Latency.line, "profile": y.Profile.line}}
	check := func(key string, ok bool, format string, args ...any) {
		if !ok {
			wrong.add(e.line(key), format, args...)
		}
	}
	for _, key := range []string{"code", "name", "ifsc_prefix", "rail"} {
		check(key, e.lines[key] != 0, "%s is missing", key)
	}
	check("name", len([]rune(e.bank.Name)) <= maxBankName, "the name is longer than %d characters", maxBankName)
	_, known := rails[e.rail]
	check("rail", known || y.Rail.line == 0, "there is no rail %q", e.rail)
	check("max_in_flight", y.MaxInFlight.line == 0 || 1 <= e.bank.MaxInFlight && e.bank.MaxInFlight <= maxAtOnce, "max_in_flight is 1 to %d", maxAtOnce)
	sum := func(key string, v at[string]) (a ledger.Amount) {
		if v.line != 0 {
			var err error
			a, err = ledger.ParseAmount(v.value, bankCurrency)
			check(key, err == nil && a.Minor > 0, "%s is a sum in rupees, such as 100000.00", key)
		}
		return a
	}
	e.bank.MaxAmount, e.bank.NetDebitCap = sum("max_amount", y.MaxAmount), sum("net_debit_cap", y.NetDebitCap)
	if y.Endpoint.line != 0 {
		u, err := url.Parse(e.endpoint)
		check("endpoint", err == nil && u.Scheme != "" && u.Host != "", "the endpoint is not a URL")
		check("endpoint", err != nil || u.User == nil, "a password does not belong in the endpoint: name it in credentials")
	}
	if y.Credentials.line != 0 {
		var err error
		e.credentials, err = resolveSecret(y.Credentials.value)
		check("credentials", err == nil, "credentials: %v", err)
	}
	if e.rail == simRail {
		_, known := sim.Profiles[e.profile]
		check("profile", known || y.Profile.line == 0, "there is no profile %q", e.profile)
		check("latency", 0 <= e.latency && e.latency <= time.Minute, "the latency is 0s to 1m")
		check("endpoint", y.Endpoint.line == 0, "a simulated bank has no endpoint")
		check("credentials", y.Credentials.line == 0, "a simulated bank has no credentials")
	} else {
		if e.rail == remoteRail && y.MaxInFlight.line == 0 {
			e.bank.MaxInFlight = maxInFlight
		}
		own := e.rail != remoteRail // its process comes to us, with a key of ours
		check("endpoint", own || y.Endpoint.line == 0, "a bank on rail remote has no endpoint: its process comes for its instructions")
		check("credentials", own || y.Credentials.line == 0, "a bank on rail remote has no credentials: its process has an API key")
		check("profile", y.Profile.line == 0, "only a simulated bank has a profile")
		check("latency", y.Latency.line == 0, "only a simulated bank has a latency")
	}
	return e
}

// bankCurrency is what banks are driven in.
const bankCurrency = "INR"

// resolveSecret reads the secret that a reference names.
func resolveSecret(ref string) (secret, error) {
	kind, name, _ := strings.Cut(ref, ":")
	switch {
	case kind == "env" && name != "":
		text := os.Getenv(name)
		if text == "" {
			return secret{}, fmt.Errorf("the environment has no %s", name)
		}
		return secret{&text}, nil
	case kind == "file" && filepath.IsAbs(name):
		content, err := os.ReadFile(name)
		if err != nil {
			return secret{}, err
		}
		text := strings.TrimRight(string(content), "\r\n")
		if text == "" || len(text) > maxCredentials {
			return secret{}, fmt.Errorf("%s is empty or larger than %d bytes", name, maxCredentials)
		}
		return secret{&text}, nil
	}
	return secret{}, errors.New("name where they are, as file:/absolute/path or env:NAME")
}
