"""What a change of the program changes in the cluster: two commits, rendered and compared (``make diff``)."""
