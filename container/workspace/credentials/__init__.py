"""Secrets of the operator: what a secret's text means, and how a workspace signs in to the git host."""
