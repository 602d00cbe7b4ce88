"""Starting, deploying and stopping the local stack."""
