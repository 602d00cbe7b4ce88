"""When a command that intake failed to handle is delivered again, and how often. Pure.

The queue's own visibility timeout is for functions that died. It is six times the function's timeout, and a FIFO queue
holds the whole session back meanwhile.
"""

FIRST_SECONDS = 2
LONGEST_SECONDS = 300

MAX_RECEIVES = 12
"""After so many deliveries SQS moves a command to the dead-letter queue.

A fault may last for 23 minutes: the sum of the eleven pauses. AWS advises at least five deliveries, because a throttled
function uses them up too (Lambda developer guide, "Using Lambda with Amazon SQS").
"""


def pause_seconds(receives: int) -> int:
    """Returns the pause after the given number of deliveries: 2 s, doubled each time, at most 5 minutes."""
    return min(LONGEST_SECONDS, FIRST_SECONDS << min(max(receives, 1) - 1, 20))
