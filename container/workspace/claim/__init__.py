"""The claim of a workspace on its session."""
