"""The DynamoDB tables: all keys, attribute names and expressions, and all reads and writes."""
