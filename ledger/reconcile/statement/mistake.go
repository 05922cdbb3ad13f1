package statement

import "fmt"

// Mistake is the first thing in a file that is wrong.
type Mistake struct {
	Line  int    // in the file, from 1
	Field string // in the words of the format, such as ":62F:" or "Ntry/Amt"
	Text  string // what is wrong with it, with both figures where two disagree
}

func (m *Mistake) Error() string { return fmt.Sprintf("line %d: %s: %s", m.Line, m.Field, m.Text) }

func mistakef(line int, field, format string, args ...any) error {
	return &Mistake{Line: line, Field: field, Text: fmt.Sprintf(format, args...)}
}

// differ is the mistake of a total that the lines contradict.
func differ(line int, field string, says, is any) error {
	return mistakef(line, field, "says %v, its lines give %v", says, is)
}

// truncated is the mistake of a file that stops before its format says so.
func truncated(line int, missing string) error {
	return mistakef(line, "end of file", "%s is missing: the file was cut short", missing)
}

// clip shortens what a message quotes.
func clip(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return fmt.Sprintf("%q…", string(r[:most]))
	}
	return fmt.Sprintf("%q", s)
}
