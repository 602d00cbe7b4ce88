"""The ECS data plane: runs as host processes what the emulator only records as tasks."""
