"""What the commands know of the labels of the nodes, which are no component that could be installed."""

NAME = "NodeLabels"
TYPE_TOKEN = "oceanid:core:NodeLabels"
