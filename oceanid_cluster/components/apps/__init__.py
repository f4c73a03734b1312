"""The namespace of the applications: its name, who answers in it, and how it is made."""
