"""A stand-in for the Pulumi providers of Kubernetes and of random values: a test tool for the sandbox alone.

It exists because the real provider is a download that an air-gapped machine cannot have. It does what this program
uses, as the real one does it, and refuses any cluster that is not on this machine.
"""
