"""The type of progress reports."""

from collections.abc import Callable

Report = Callable[[str], None]
"""Takes one line for the person who waits."""
