"""The CDK stacks. These modules compose the stacks from the constructs in `platform` and `site`."""
