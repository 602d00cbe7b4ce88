"""The DynamoDB tables: every key, attribute name and expression, and the reads and writes made of them."""
