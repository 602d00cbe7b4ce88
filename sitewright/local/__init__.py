"""The embedded default: the same synthesized stacks on one machine, without an AWS account or Docker.

Differences between the emulator and AWS live here only, never as a branch in the product's code.
"""
