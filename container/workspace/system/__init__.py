"""The technical base of a workspace: processes, environments, logs, settings, AWS clients."""
