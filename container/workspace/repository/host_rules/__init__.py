"""What git hosts refuse: their words, what one can know before a push, and how a session goes on."""
