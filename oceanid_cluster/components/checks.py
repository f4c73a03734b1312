"""What single keys cannot tell: prerequisites, pairs, and values of several components that must agree or differ."""

from collections.abc import Mapping

from oceanid_cluster.components.facts import ComponentSettings
from oceanid_cluster.components.flux.settings import check_flux
from oceanid_cluster.components.node_tunnels.settings import NodeTunnelSettings
from oceanid_cluster.components.settings import Settings
from oceanid_cluster.components.tunnel.settings import TunnelSettings
from oceanid_cluster.config.cloudflare import CloudflareSettings
from oceanid_cluster.config.cluster import ClusterSettings, check_addresses
from oceanid_cluster.config.entries import wrong_entries
from oceanid_cluster.config.ingress import dead_rules, rule_name
from oceanid_cluster.config.nodes import PREFIX, Node
from oceanid_cluster.config.schema import ConfigErrors, keys_of

_HOSTNAME = "kubernetes.io/hostname"


def check_together(settings: Settings, problems: ConfigErrors) -> None:
    """Note what single keys cannot tell: pairs, prerequisites, and values that must agree or differ."""
    enabled = [section for section in settings.components if section.enabled]
    for section in enabled:
        _check_needs(section, settings, problems)
    check_addresses(settings.cluster, problems)
    _check_labels(settings, problems)
    for section in enabled:
        for pair in section.pairs:
            _check_pair(section, pair, problems)
    if settings.flux.enabled:
        check_flux(settings.flux, problems)
    _check_tunnel_ids(settings, problems)
    _check_cloudflare(settings, problems)
    _check_access(settings, problems)
    if settings.tunnel.enabled:
        _check_rules(settings, problems)


def advice(settings: Settings) -> list[str]:
    """What is valid and yet hardly meant."""
    found: list[str] = []
    studio, adapter = settings.label_studio, settings.adapter
    if studio.enabled and not settings.label_studio_callers:
        traefik = '[{"namespace": "kube-system", "labels": {"app.kubernetes.io/name": "traefik"}}]'
        reason = "the tunnel is off and labelStudioIngressFrom is empty"
        command = f"pulumi config set labelStudioIngressFrom '{traefik}'"
        found.append(f"nothing in the cluster may reach Label Studio: {reason}. For K3s's Traefik: {command}")
    selectors = {
        "labelStudioNodeSelector": (studio.enabled, studio.node_selector or {}),
        "trainingNodeSelector": (
            adapter.enabled and not adapter.train_dry_run, adapter.training_node_selector or {},
        ),
    }  # fmt: skip
    for name, (on, selector) in selectors.items():
        if on and not any(_may_fit(selector, node, settings) for node in settings.cluster.nodes):
            wanted = ", ".join(f"{key}={value}" for key, value in selector.items())
            hosts = ", ".join(node.host for node in settings.cluster.nodes)
            command = f"pulumi config set {name} kubernetes.io/hostname=<host>"
            found.append(f"no configured machine has {wanted} ({name}); there are {hosts}: {command}")
    return found


def _may_fit(selector: Mapping[str, str], node: Node, settings: Settings) -> bool:
    """Whether a machine may have the labels, as far as the configuration tells: its host name, and those that we set.

    K3s calls a node as its label kubernetes.io/hostname says.
    """
    known: dict[str, str | None] = {_HOSTNAME: node.host}
    ours = {key for key in selector if key.startswith(PREFIX)} if settings.cluster.manage_node_labels else set[str]()
    known |= {key: node.kubernetes_labels.get(key) for key in ours}
    return all(known.get(key, value) == value for key, value in selector.items())


def _check_labels(settings: Settings, problems: ConfigErrors) -> None:
    """A component that runs only where one of our labels is, which no configured machine has."""
    rows = keys_of(ClusterSettings)
    for section in settings.components:
        selector = (section.placement or settings.placement).node_selector
        ours = {key: value for key, value in selector.items() if key.startswith(PREFIX)}
        if not section.enabled or not ours or problems.about(rows["nodes"].name):
            continue
        if not any(_may_fit(ours, node, settings) for node in settings.cluster.nodes):
            wanted = ", ".join(f'"{key.removeprefix(PREFIX)}": "{value}"' for key, value in ours.items())
            flag = keys_of(type(section))["enabled"].name
            problems.add(
                flag,
                f"is true, and no machine in 'nodes' has the label {wanted}, without which it runs nowhere",
                f"give one that label in 'nodes', or: pulumi config set {flag} false",
            )


def _check_needs(section: ComponentSettings, settings: Settings, problems: ConfigErrors) -> None:
    """A component that is on, and cannot work without one that is off."""
    own = keys_of(type(section))["enabled"].name
    for other in settings.components:
        if other.facts in section.facts.needs and not other.enabled:
            flag = keys_of(type(other))["enabled"].name
            if not problems.about(flag):
                problems.add(own, f"needs {other.facts.title}, but '{flag}' is false", f"pulumi config set {own} false")


def _check_pair(section: object, pair: tuple[str, str], problems: ConfigErrors) -> None:
    """Two keys of which one is nothing without the other."""
    rows = keys_of(type(section))
    # A malformed one is there as well.
    there = [bool(getattr(section, name)) or problems.about(rows[name].name) for name in pair]
    if there[0] != there[1]:
        given, absent = (rows[name] for name in (pair if there[0] else reversed(pair)))
        problems.add_missing(absent, f"it goes together with '{given.name}'")


def _check_cloudflare(settings: Settings, problems: ConfigErrors) -> None:
    """What is needed to write to Cloudflare."""
    cloudflare, node_tunnels = settings.cloudflare, settings.node_tunnels
    dns, rules = node_tunnels.manage_dns and node_tunnels.enabled, cloudflare.manage_config and settings.any_tunnel
    token = keys_of(CloudflareSettings)["api_token"]
    for flag, on, row, value in (
        ("manageNodeTunnelDns", dns, keys_of(NodeTunnelSettings)["zone_id"], node_tunnels.zone_id),
        ("manageNodeTunnelDns", dns, token, cloudflare.api_token),
        ("manageTunnelConfig", rules, token, cloudflare.api_token),
    ):
        if on and value is None and not problems.about(row.name):
            problems.add_missing(row, f"needed while {flag} is true")


def _check_access(settings: Settings, problems: ConfigErrors) -> None:
    """A team without a tag or the reverse, and tags of host names that have no rule: they would protect nothing."""
    if not settings.any_tunnel:
        return
    _check_pair(settings.cloudflare, ("access_team", "access_audiences"), problems)
    audiences, names = keys_of(CloudflareSettings)["access_audiences"], settings.accessible_hostnames
    for name in settings.cloudflare.access_audiences or ():
        if name not in names:
            known = f"it knows {', '.join(names)}; a rule of extraIngress has its own originRequest.access"
            problems.add(audiences.name, f"has '{name}', which Access cannot protect here: {known}", audiences.fix)


def _check_rules(settings: Settings, problems: ConfigErrors) -> None:
    """Rules of the tunnel that get no request, because an earlier one gets it."""
    cloudflare = settings.cloudflare
    if settings.tunnel.kubectl_hostname and cloudflare.service_url and not cloudflare.api_server:
        row = keys_of(CloudflareSettings)["service_url"]
        problems.add(row.name, "names no host and port, which cloudflare_kubectl_hostname needs", row.fix)
    rules = settings.tunnel_rules[:-1]  # the last one takes the rest
    own = sum(rule.owner is not None for rule in rules)
    named = [
        (f"{rule.owner.title} ({rule.owner.key})" if rule.owner else rule_name(number - own, rule.hostname), rule)
        for number, rule in enumerate(rules, start=1)
    ]
    dead = [(rules[index].owner, problem) for index, problem in dead_rules(named)]
    for owner, problem in dead:
        if owner:
            fix = f"pulumi config set {owner.key} <hostname>"
            problems.add(owner.key, f"is another rule's host name: {problem}", fix)
    if wrong := [problem for owner, problem in dead if not owner]:
        problems.add("extraIngress", wrong_entries(wrong), "pulumi config set extraIngress <json>")


def _check_tunnel_ids(settings: Settings, problems: ConfigErrors) -> None:
    """Ids that the tokens say already, and two tunnels that are one."""
    tunnels = [one for one in (settings.tunnel, settings.node_tunnels) if one.enabled and one.token]
    if len({tunnel.token.tunnel_id for tunnel in tunnels}) < len(tunnels):
        problems.add(
            keys_of(TunnelSettings)["token"].name,
            "and 'cloudflare_node_tunnel_token' belong to the same tunnel; cloudflared would mix their traffic",
            keys_of(NodeTunnelSettings)["token"].fix,
        )
    account = keys_of(CloudflareSettings)["account_id"]
    for tunnel in tunnels:
        rows, token = keys_of(type(tunnel)), tunnel.token
        for what, row, given, said in (
            ("tunnel", rows["tunnel_id"], (tunnel.tunnel_id or token.tunnel_id).lower(), token.tunnel_id),
            ("account", account, settings.cloudflare.account_id or token.account_id, token.account_id),
        ):
            if given != said:
                text = f"does not agree with the {what} id inside '{rows['token'].name}'"
                problems.add(row.name, text, f"pulumi config rm {row.name}   (the token says it)")
