"""The driver of Claude Code: `python -m workspace.agent`, a request on stdin, events on stdout."""
