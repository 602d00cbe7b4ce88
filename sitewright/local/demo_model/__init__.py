"""A small stand-in for the model: it speaks the Anthropic Messages API and knows a few kinds of edit."""
