"""The documents, and what makes those that follow from the keys."""
