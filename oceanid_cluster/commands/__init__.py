"""What operators and workflows run beside Pulumi: ``python -m oceanid_cluster <command>``."""
