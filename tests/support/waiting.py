"""Waiting for a condition instead of for a time."""

import time


class Timeout(AssertionError):
    """The condition did not come true in time."""


def wait_for(condition, what, seconds=30.0):
    """Polls `condition` until it returns something true, and returns that. `what` names it; it may be a function, for
    words that are only known when it failed."""
    deadline = time.monotonic() + seconds
    pause = 0.002
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise Timeout(f"not within {seconds:g} s: {what() if callable(what) else what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
