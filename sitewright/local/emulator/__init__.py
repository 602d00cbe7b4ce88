"""The emulator of AWS: MiniStack, with parts of AWS that it lacks."""
