"""A former name of a command; it works for one more release."""

from oceanid_cluster.__main__ import run_under_former_name

run_under_former_name(__file__)
