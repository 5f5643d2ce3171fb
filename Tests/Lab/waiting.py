"""Waiting for what comes about by itself: no longer than it takes, and not for ever."""

import time


def until(truth, seconds=20, what="it did not come about in time"):
    """Asks until the answer is true, and gives it. A failure says `what`, or what the function `what` returns."""
    end = time.monotonic() + seconds
    while not (answer := truth()):
        assert time.monotonic() < end, what() if callable(what) else what
        time.sleep(0.02)
    return answer
