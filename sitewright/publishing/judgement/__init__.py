"""Judges a publish before it replaces anything: what would become worse, and whether the edit tells why."""
