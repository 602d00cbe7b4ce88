"""Handles the commands of the input queue: accepts a command, stops the older run, starts the new one."""
