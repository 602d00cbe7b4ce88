"""Records a deployment after its publish."""
