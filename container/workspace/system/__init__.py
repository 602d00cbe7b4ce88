"""The machine below a workspace: processes, environments, logs, settings, AWS clients."""
