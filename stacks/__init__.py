"""The CDK stacks: composition and grants. Imports `contracts` only."""
