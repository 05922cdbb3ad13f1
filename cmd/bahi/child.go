package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// child is a server in a process of its own.
type child struct {
	cmd *exec.Cmd
	url string
}

// startChild runs "program serve" on a free loopback port and waits until it listens.
func startChild(program string, s storage, log io.Writer, args ...string) (*child, error) {
	return startAs("serve", program, s, log, args...)
}

// startAs does so with a command that serves in its own way.
func startAs(command, program string, s storage, log io.Writer, args ...string) (*child, error) {
	cmd := exec.Command(program, append([]string{command, "--listen", "127.0.0.1:0", "--data", s.Data, "--database-url", s.DatabaseURL}, args...)...)
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.SysProcAttr = diesWithParent()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), readyLine); ok {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return &child{cmd: cmd, url: url}, nil
		}
	}
	return nil, fmt.Errorf("the server did not start: %w", errors.Join(cmd.Wait(), lines.Err()))
}

// stop asks the server to end and waits until it has.
func (c *child) stop() error {
	if err := c.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	return c.cmd.Wait()
}

// kill ends the server at once, as a power cut does to a process.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}
