"""The components, one a file, in the order in which they are installed."""
