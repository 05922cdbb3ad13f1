package main

import (
	"context"
	"errors"
	"fmt"

	"bahi/api/client"
)

var errNotCompleted = errors.New("did not complete")

// completed waits for a transfer; an end that is not "completed" is an error.
func completed(ctx context.Context, c *client.Client, t client.Transfer) error {
	t, err := c.Await(ctx, t)
	if err == nil && t.State != client.TransferStateCompleted {
		err = fmt.Errorf("transfer %s %w: it is %s (%s)", t.ID, errNotCompleted, t.State, t.Failure.Reason)
	}
	return err
}
