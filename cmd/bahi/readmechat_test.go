package main

import (
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
)

// part is what stands in the README between two lines, behind a heading.
func part(t *testing.T, heading, begins, ends string) string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(readme), heading)
	_, rest, begun := strings.Cut(rest, begins)
	text, _, ended := strings.Cut(rest, ends)
	if !found || !begun || !ended {
		t.Fatalf("README.md has no %q with %q", heading, begins)
	}
	return text
}

const chatHeading = "\n## In the chat\n"

// TestReadmeChat pastes what the README shows of the conversation, and demands that all of
// it is granted and told of.
func TestReadmeChat(t *testing.T) {
	t.Setenv("BAHI_LIMITS", "") // those of the demo
	demo := serveDemo(t, t.TempDir())
	script := part(t, chatHeading, "```bash\n", "```\n")
	cmd := exec.CommandContext(t.Context(), "bash", "-ec", script+"\nget '/v1/events?limit=200'\n")
	cmd.Env = append(os.Environ(), "BAHI="+demo.server.url, "KEY="+demo.keys[0])
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, problem := range []string{`"status":4`, `"status":5`, `"failure":{"detail":"The payee`} {
		if strings.Contains(string(out), problem) {
			t.Errorf("%s is in\n%s", problem, out)
		}
	}
	for _, event := range []string{"pot.opened", "request.created", "request.paid", "request.reminded", "transfer.held", "transfer.reversed", "transfer.refunded", "schedule.created"} {
		if !strings.Contains(string(out), `"type":"`+event+`"`) {
			t.Errorf("%s is not told", event)
		}
	}
	if !strings.Contains(string(out), "\nid: 11\nevent: ") || !strings.Contains(string(out), "₹2,000.00") {
		t.Errorf("the streams are\n%s", out)
	}
}

// TestReadmeLimits: the file that the README shows says what is in force without one.
func TestReadmeLimits(t *testing.T) {
	text := part(t, chatHeading, "```yaml\n", "```\n")
	shown, err := parseLimitsText(t, text)
	if err != nil {
		t.Fatal(err)
	}
	without, err := readLimits("")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := shown.Default, without.Default; !reflect.DeepEqual(got, want) {
		t.Errorf("the README shows %+v, in force are %+v", got, want)
	}
	if own := shown.Apps["shop-chat"]; own.WalletTransfer != nil || own.HoldAbove["INR"] != 50_000_00 || own.Received.Count != 25 {
		t.Errorf("of an app it shows %+v", own)
	}
}
