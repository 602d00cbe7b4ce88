"""The models: their prices, and their names at Bedrock. Pure."""
