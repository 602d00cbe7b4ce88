"""Takes commands off the input queue: accepts, stops the older run, starts the new one."""
