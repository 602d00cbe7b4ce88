"""Objects of git on their way between the checkout, the runner and bundles."""
