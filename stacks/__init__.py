"""The CDK stacks. The modules here compose; the parts are in `platform` and `site`."""
