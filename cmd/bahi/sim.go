package main

import (
	"errors"
	"fmt"
	"os"

	"bahi/banks/simulate"
)

type simCmd struct {
	Seed  uint64 `help:"Which run: the same seed is the same run." default:"1" env:"BAHI_SIM_SEED"`
	Steps int    `help:"How many things happen before the world calms down." default:"100" env:"BAHI_SIM_STEPS"`
	Runs  uint64 `help:"How many runs, of this seed and of those that follow." default:"1" env:"BAHI_SIM_RUNS"`
	Trace bool   `help:"Print everything that happens."`
}

// Validate is called by the parser.
func (c *simCmd) Validate() error {
	switch {
	case c.Steps < 0:
		return errors.New("--steps: none or more")
	case c.Runs < 1:
		return errors.New("--runs: at least one")
	}
	return nil
}

// errSimulated makes main say that a run was not as it should be.
var errSimulated = errors.New("the simulation found something that should not be")

// Run lets worlds run, and ends with the first in which something is wrong.
func (c *simCmd) Run() error {
	for seed := c.Seed; seed < c.Seed+c.Runs; seed++ {
		wrong, err := c.one(seed)
		if err != nil {
			return err
		}
		if wrong {
			fmt.Printf("to run it again: bahi sim --seed %d --steps %d --trace\n", seed, c.Steps)
			return errSimulated
		}
	}
	return nil
}

func (c *simCmd) one(seed uint64) (wrong bool, err error) {
	dir, err := os.MkdirTemp("", "bahi-sim-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	cfg := simulate.Config{Seed: seed, Steps: c.Steps, Dir: dir}
	if c.Trace {
		cfg.Trace = os.Stdout
	}
	r := simulate.Run(cfg)
	fmt.Println(&r)
	for _, f := range r.Findings {
		fmt.Println("FOUND", f)
	}
	return len(r.Findings) > 0, nil
}
