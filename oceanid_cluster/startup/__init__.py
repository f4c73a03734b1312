"""What a run checks before it registers anything: where it runs, the kubeconfig, the cluster; and the providers."""
