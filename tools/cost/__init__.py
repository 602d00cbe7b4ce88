"""The cost of an edit on AWS: calls and seconds of a local run, times list prices."""
