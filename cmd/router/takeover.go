package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"toolrouter/configs"
	"toolrouter/router/endpoint"
)

// takeoverPatience is how long an edit waits for the running router, which reads a
// changed file within maxSettle. Tests, on machines with other things to do, have
// more of it.
var takeoverPatience = 5 * time.Second

const takeoverPoll = 50 * time.Millisecond // between two questions

// errNoneRuns says that there is no router to take a config over.
var errNoneRuns = errors.New("no running router")

// awaitTakeover waits until the router that runs on the state directory has read
// the config file as it is now, and says why it does not use it if it does not.
func (e *env) awaitTakeover(ctx context.Context, path string) error {
	state, _ := e.state() // without one, the default
	if state == "" {
		return errNoneRuns
	}
	running := endpoint.Dial(socketPath(state))
	defer running.Close()
	ctx, cancel := context.WithTimeout(ctx, takeoverPatience)
	defer cancel()
	if running.Ping(ctx) != nil {
		return errNoneRuns
	}
	for {
		done, err := takenOver(ctx, running, path)
		if done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it has not read it within %v", takeoverPatience)
		case <-time.After(takeoverPoll):
		}
	}
}

// takenOver asks once. It compares with the file as it is now, and not with what
// was written: others may have edited it since, and then it holds both.
func takenOver(ctx context.Context, running *endpoint.Client, path string) (bool, error) {
	raw, err := running.Status(ctx)
	var r statusReport
	if err == nil {
		err = json.Unmarshal(raw, &r)
	}
	switch {
	case ctx.Err() != nil:
		return false, nil
	case errors.Is(err, endpoint.ErrNoRouter):
		return false, errNoneRuns
	case err != nil:
		return false, fmt.Errorf("it does not answer: %w", err)
	case !sameFile(r.Config, path):
		return false, fmt.Errorf("it reads %s and not this file", cmp.Or(r.Config, "no config file"))
	case r.Digest != configs.FileDigest(path):
		return false, nil
	case r.Problem != "":
		return false, errors.New(r.Problem)
	}
	return true, nil
}

func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return a == b
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}
