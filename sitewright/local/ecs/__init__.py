"""The ECS service: runs the tasks that the emulator only records."""
