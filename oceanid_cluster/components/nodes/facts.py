"""What the commands know of the labels of the nodes, which cannot be turned off as a component."""

NAME = "NodeLabels"
TYPE_TOKEN = "oceanid:core:NodeLabels"
