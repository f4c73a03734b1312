"""What kubectl says when it cannot ask the API server, and what that means: one message for every command."""

from oceanid_cluster.startup.kubeconfig import Kubeconfig

SSH_TUNNEL = "ssh -L 16443:localhost:6443 tethys -N"
NO_API = "that is not an answer of the Kubernetes API"
NO_ANSWER = "timeout"
_FRESH = "Take a fresh kubeconfig:  k3s kubectl config view --raw"
# What Go says of a certificate that is trusted and yet refused (crypto/x509/verify.go).
_EXPIRED = """\
shows a certificate that has expired.
  K3s renews it when it starts, on that machine:  systemctl restart k3s
  docs/runbook.md, "An expired certificate"
"""
_NOT_YET_VALID = """\
shows a certificate that is not valid yet: a clock is wrong.
  Compare, here and on that machine:  date -u
"""
_OTHER_NAMES = """\
shows a certificate that was made for other names.
  Add the name to K3s (--tls-san <name>) and restart it, or use a name in the certificate:
  kubectl config set-cluster <cluster> --tls-server-name=kubernetes
"""
# Go: crypto/tls/alert.go, of the alerts that a server sends about the client's certificate; and tls.go, X509KeyPair.
_CLIENT_CERTIFICATE_REJECTED = tuple(
    f"remote error: tls: {alert}"
    for alert in (
        "bad certificate", "unsupported certificate", "revoked certificate", "expired certificate",
        "unknown certificate", "certificate required",
    )
)  # fmt: skip
_CLIENT_CERTIFICATE_BROKEN = ("tls: private key", "tls: found ", "tls: failed to find ", "tls: failed to parse")
_ANOTHER_PROGRAM = (NO_API, "HTTP response to HTTPS client", "does not look like a TLS handshake")
_UNUSABLE = "was not asked: kubectl cannot use the kubeconfig.\n  See why:  kubectl get nodes"
# What kubectl says, and what that means; the first that fits. Its own words may come from a credential plugin.
_REASONS = (
    ((" is after ",), _EXPIRED.rstrip()),
    ((" is before ",), _NOT_YET_VALID.rstrip()),
    (("certificate is valid for", "not valid for any names", "cannot validate certificate for"), _OTHER_NAMES.rstrip()),
    (_CLIENT_CERTIFICATE_REJECTED, f"rejected the client certificate of the kubeconfig.\n  {_FRESH}"),
    (_CLIENT_CERTIFICATE_BROKEN, f"was not asked: the kubeconfig's client certificate and key are broken.\n  {_FRESH}"),
    (
        ("invalid configuration", "specifying a root certificates file"),
        _UNUSABLE,
    ),
    (
        ("proxyconnect",),
        "was not asked: the proxy of the kubeconfig, or of HTTPS_PROXY, does not work.\n  See why:  kubectl get nodes",
    ),
    (("x509", "certificate"), f"shows a certificate that the kubeconfig does not trust.\n  {_FRESH}"),
    (("tls: ",), "refused the TLS connection.\n  See why:  kubectl get nodes"),
    (("Unauthorized", "must be logged in"), f"refuses the credentials of the kubeconfig.\n  {_FRESH}"),
    (
        ("(Forbidden)", " forbidden"),
        "does not let this user read nodes, namespaces and Secrets.\n  Use an administrator's kubeconfig",
    ),
    (
        ("getting credentials", "exec plugin", "exec: ", "error: open ", "header field value"),
        "was not asked: the kubeconfig's login plugin or token does not work.\n  See why:  kubectl get nodes",
    ),
    (
        ("ServiceUnavailable", "(InternalError)", "currently unable", "not ready"),
        "answers, but is not ready.\n  See what is not:  kubectl get --raw '/readyz?verbose'",
    ),
)
_UNREACHABLE = (
    "was refused", "connection refused", "no such host", NO_ANSWER, "deadline exceeded", "no route to host",
    "network is unreachable", "connection reset", "EOF",
)  # fmt: skip


def why(said: str, kubeconfig: Kubeconfig) -> str:
    """One message for what kubectl said on standard error when it could not ask; nothing of that is shown."""
    where = f"{kubeconfig.server} (from {kubeconfig.path})"
    if any(word in said for word in _ANOTHER_PROGRAM):
        return (
            f"{where} is not a Kubernetes API server: another program answers there.\n"
            f"  Is the SSH tunnel open on that port?  {SSH_TUNNEL}"
        )
    who = f"the Kubernetes API server {where}"
    for words, meaning in _REASONS:
        if any(word in said for word in words):
            return f"{who} {meaning}"
    reason = next((f": {word.removeprefix('was ')}" for word in _UNREACHABLE if word in said), "")
    if not reason and said.startswith("error: "):  # of kubectl itself: what a server says begins in other words
        return f"{who} {_UNUSABLE}"
    return (
        f"cannot reach {who}{reason}\n"
        f"  If it is behind the SSH tunnel, open that first:  {SSH_TUNNEL}\n"
        "  Then check:  kubectl get --raw /readyz"
    )


def login_unanswered(kubeconfig: Kubeconfig, seconds: float) -> str:
    """The message for a kubeconfig whose login program waits for a person, or hangs."""
    return (
        f"the login program '{kubeconfig.login}' of the kubeconfig {kubeconfig.path} did not answer"
        f" in {seconds:.0f} seconds.\n  Log in by hand first:  kubectl get nodes"
    )
