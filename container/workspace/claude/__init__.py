"""The driver of Claude Code: `python -m workspace.claude`, a request on stdin, events on stdout."""
