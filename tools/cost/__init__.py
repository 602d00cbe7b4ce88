"""What an edit costs on AWS: calls and seconds counted in a run of the local stack, times list prices."""
