"""The configuration: how a key is declared, how its text is parsed, and the types of its values."""
