"""What the service adds to the work itself: the same commands through the local stack and by hand, side by side."""
