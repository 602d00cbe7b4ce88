"""IAM on the emulator: what MiniStack's own enforcement leaves out, and a record of every decision."""
