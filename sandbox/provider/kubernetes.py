"""The provider ``kubernetes``: objects by server-side apply, patches, Helm releases and charts."""

import asyncio
import base64
import os
import re
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import grpc
import pulumi
import pulumi.provider
import yaml
from pulumi.provider.server import ProviderServicer
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, provider_pb2

from sandbox.provider import ready, values
from sandbox.provider.api import ApiError, Cluster, Manifest, Unreachable
from sandbox.provider.helm import Helm, HelmError, chart_version
from sandbox.provider.values import UNKNOWN, Properties

T = TypeVar("T")
Proto = Any  # messages of provider_pb2

_RELEASE = "kubernetes:helm.sh/v3:Release"
_CHART = "kubernetes:helm.sh/v4:Chart"
_HIDDEN = ("__fieldManager", "__initialApiVersion", "__inputs")
# What the real provider adds to the inputs of a release.
_RELEASE_DEFAULTS: Properties = {
    **dict.fromkeys(("description", "keyring", "postrender"), ""),
    **dict.fromkeys(
        (
            "allowNullValues", "atomic", "cleanupOnFail", "createNamespace", "dependencyUpdate", "devel",
            "disableCRDHooks", "disableOpenapiValidation", "disableWebhooks", "forceUpdate", "lint", "recreatePods",
            "renderSubchartNotes", "replace", "resetValues", "reuseValues", "skipAwait", "skipCrds", "verify",
            "waitForJobs",
        ),
        False,
    ),
    "namespace": "default",
    "timeout": 300,
}  # fmt: skip
_FORCE_NEW = ("metadata.name", "metadata.namespace", "kind")
_HOOK = "helm.sh/hook"


class Refusal(Exception):
    """An operation that cannot be done, in the words for the user."""


class KubernetesProvider(ProviderServicer):
    """What the engine calls. Blocking work runs in threads, so that calls run side by side."""

    def __init__(self, engine_address: str, version: str) -> None:
        """``engine_address`` is where the engine takes log messages; ``version`` the SDK's."""
        super().__init__(_ChartBuilder(version, self), [], engine_address)  # pyright: ignore[reportUnknownMemberType]
        self._engine: Any = engine_pb2_grpc.EngineStub(grpc.insecure_channel(engine_address))
        self._version = version
        self._options: Properties = {}
        self._cluster: Cluster | None = None
        self._connecting = threading.Lock()
        self._stopped = threading.Event()
        # Threads of our own: a chart under construction holds the default ones until we have made its objects.
        self._workers = ThreadPoolExecutor(max_workers=64)

    # The engine's calls, in the order of the protocol.

    async def CheckConfig(self, request: Proto, context: Any) -> Proto:  # noqa: N802, D102
        return provider_pb2.CheckResponse(inputs=request.news)

    async def DiffConfig(self, request: Proto, context: Any) -> Proto:  # noqa: N802, D102
        return await self._answer(context, lambda: self._diff_config(request))

    async def Configure(self, request: Proto, context: Any) -> Proto:  # noqa: N802, D102
        return await self._answer(context, lambda: self._configure(request))

    async def Check(self, request: Proto, context: Any) -> Proto:  # noqa: N802, D102
        return await self._answer(context, lambda: self._check(request))

    async def Diff(self, request: Proto, context: Any) -> Proto:  # noqa: N802, D102
        return await self._answer(context, lambda: self._diff(request))

    async def Create(self, request: Proto, context: Any) -> Proto:  # noqa: N802, D102
        return await self._answer(context, lambda: self._create(request))

    async def Read(self, request: Proto, context: Any) -> Proto:  # noqa: N802, D102
        return await self._answer(context, lambda: self._read(request))

    async def Update(self, request: Proto, context: Any) -> Proto:  # noqa: N802, D102
        return await self._answer(context, lambda: self._update(request))

    async def Delete(self, request: Proto, context: Any) -> Proto:  # noqa: N802, D102
        return await self._answer(context, lambda: self._delete(request))

    async def GetPluginInfo(self, request: Proto, context: Any) -> Proto:  # noqa: N802, D102
        return provider_pb2.DESCRIPTOR and _plugin_info(self._version)

    async def Cancel(self, request: Proto, context: Any) -> Proto:  # noqa: N802, D102
        self._stopped.set()
        return await super().Cancel(request, context)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]

    # Configuration.

    def _diff_config(self, request: Proto) -> Proto:
        old, new = values.plain(values.from_struct(request.olds)), values.plain(values.from_struct(request.news))
        changed = sorted(name for name in {*old, *new} if old.get(name) != new.get(name) and name != "version")
        if not changed:
            return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)
        identity = "clusterIdentifier"
        replaces: list[str] = []
        if new.get(identity) and old.get(identity) == new[identity]:
            replaces = []
        elif old.get(identity) and new.get(identity):
            replaces = [identity]
        elif "kubeconfig" in changed and _active_cluster(old) != _active_cluster(new):
            replaces = ["kubeconfig"]
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME, diffs=changed, replaces=replaces
        )  # fmt: skip

    def _configure(self, request: Proto) -> Proto:
        if not os.environ.get("SANDBOX_DIR"):
            raise Refusal(
                "the stand-in provider is a test tool of the sandbox and runs nowhere else (SANDBOX_DIR is not set)"
            )
        self._options = values.plain(values.from_struct(request.args))
        self._log(f"sandbox stand-in for pulumi-resource-kubernetes {self._version} (a test tool)")
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def _option(self, name: str) -> bool:
        return str(self._options.get(name, "")).lower() == "true"

    def cluster(self) -> Cluster:
        """The cluster, connected at first use. Raises Refusal or Unreachable."""
        kubeconfig = self._options.get("kubeconfig")
        if not kubeconfig or kubeconfig == UNKNOWN:
            raise Refusal("the stand-in provider needs the contents of a kubeconfig")
        with self._connecting:  # a refresh asks for many resources at once
            if self._cluster is None:
                self._cluster = Cluster(kubeconfig, self._options.get("context"))
            return self._cluster

    def helm(self) -> Helm:
        """Helm on the same cluster."""
        self.cluster()
        return Helm(self._options["kubeconfig"], self._options.get("context"))

    # Resources.

    def _check(self, request: Proto) -> Proto:
        inputs, failures = values.from_struct(request.news), list[Proto]()
        kind = _type(request.urn)
        if kind == _RELEASE:
            inputs.pop("compat", None)
            defaults = {**_RELEASE_DEFAULTS, "name": _automatic_name(request), "version": chart_version(inputs)}
            inputs = {**{name: value for name, value in defaults.items() if value is not None}, **inputs}
        elif kind != _CHART:
            metadata = inputs.setdefault("metadata", {})
            if "name" not in values.plain(metadata):
                if _is_patch(kind):
                    failures.append(provider_pb2.CheckFailure(property="metadata.name", reason="a patch needs a name"))
                old = values.from_struct(request.olds).get("metadata", {}).get("name")
                metadata["name"] = old or _automatic_name(request)
            inputs = _with_encoded_data(inputs)
        return provider_pb2.CheckResponse(inputs=values.to_struct(inputs), failures=failures)

    def _diff(self, request: Proto) -> Proto:
        state, new = values.from_struct(request.olds), values.from_struct(request.news)
        old = values.plain(values.from_struct(request.old_inputs) or values.plain(state.get("__inputs")) or {})
        new_plain = values.plain(new)
        for path in request.ignoreChanges:
            _copy_path(old, new_plain, path)
        changed = values.differences(old, new_plain)
        if not changed:
            return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)
        replaces = self._replaces(_type(request.urn), old, new_plain, list(changed))
        detailed = {
            path: provider_pb2.PropertyDiff(kind=_diff_kind(how, path in replaces), inputDiff=True)
            for path, how in changed.items()
        }
        same_name = old.get("metadata", {}).get("name") == new_plain.get("metadata", {}).get("name")
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME,
            diffs=sorted({re.split(r"[.\[]", path)[0] for path in changed}),
            replaces=sorted({re.split(r"[.\[]", path)[0] for path in replaces}),
            deleteBeforeReplace=bool(replaces) and same_name,
            detailedDiff=detailed,
            hasDetailedDiff=True,
        )

    def _replaces(self, kind: str, old: Properties, new: Properties, changed: list[str]) -> list[str]:
        """The changed paths that an update cannot make."""
        if kind == _RELEASE:
            return [path for path in changed if path in ("name", "namespace")]
        forced = [path for path in changed if path in _FORCE_NEW]
        if _group(old.get("apiVersion", "")) != _group(new.get("apiVersion", "")):
            forced.append("apiVersion")
        fixed = {"ConfigMap": "enableConfigMapMutable", "Secret": "enableSecretMutable"}.get(new.get("kind", ""))
        if fixed and (not self._option(fixed) or new.get("immutable")):
            forced += [path for path in changed if re.match(r"(data|stringData|binaryData)\b", path)]
        if new.get("kind") == "Secret":
            forced += [path for path in changed if path == "type"]  # mutable or not
        if forced or _is_patch(kind) or values.has_unknown(new):
            return forced
        try:
            self.cluster().apply(new, _manager(old), force=True, dry_run=True)
        except ApiError as problem:
            if problem.status == 422 and re.search(
                r"immutable|may not change once set|Forbidden: updates", str(problem)
            ):
                return changed
            if problem.status not in (404, 409, 422):
                raise
        return []

    def _create(self, request: Proto) -> Proto:
        inputs = values.from_struct(request.properties)
        manifest = values.plain(inputs)
        kind = _type(request.urn)
        if request.preview and (kind == _RELEASE or values.has_unknown(manifest)):
            return provider_pb2.CreateResponse(properties=request.properties)
        if kind == _RELEASE:
            return self._release(request, inputs, new=True)
        adopts = os.environ.get("PULUMI_K8S_UPSERT_EXISTING_OBJECTS") == "true"
        upsert = self._option("upsertExistingObjects") or adopts or _is_patch(kind)
        manager = self._manager_for(kind, manifest)
        try:
            cluster = self.cluster()
            if request.preview and _is_new(cluster, manifest):
                return provider_pb2.CreateResponse(properties=request.properties)
            if upsert:
                live = cluster.apply(manifest, manager, force=self._force(manifest), dry_run=request.preview)
            else:
                live = cluster.create(manifest, manager, dry_run=request.preview)
        except ApiError as problem:
            # Its namespace may be made in the same run; and the real provider's preview lets pass what exists.
            if request.preview and (problem.status == 404 or problem.reason == "AlreadyExists"):
                return provider_pb2.CreateResponse(properties=request.properties)
            raise Refusal(f"{_title(manifest)}: {problem}") from None
        identity = _identity(live)
        if not request.preview:
            live = self._awaited(request, live, identity, inputs, manager)
        outputs = _outputs(live, inputs, manager)
        return provider_pb2.CreateResponse(id=identity, properties=values.to_struct(outputs))

    def _read(self, request: Proto) -> Proto:
        state = values.from_struct(request.properties)
        inputs = values.from_struct(request.inputs) or values.plain(state.get("__inputs")) or {}
        if _type(request.urn) == _RELEASE:
            namespace, _, name = request.id.rpartition("/")
            if self.helm().status(name, namespace) is None:
                return provider_pb2.ReadResponse()
            return provider_pb2.ReadResponse(
                id=request.id, properties=request.properties, inputs=values.to_struct(inputs)
            )  # fmt: skip
        live = self.cluster().get(_reference(request, inputs))
        if live is None or "deletionTimestamp" in live["metadata"]:
            return provider_pb2.ReadResponse()
        if inputs:
            owned = values.projected(live, values.plain(inputs))
            marked = values.with_secrets_of(owned, inputs)
        else:
            marked = _mark_secret_data(_imported(live))
        outputs = _outputs(live, marked, state.get("__fieldManager") or _manager(live))
        return provider_pb2.ReadResponse(
            id=request.id, properties=values.to_struct(outputs), inputs=values.to_struct(marked)
        )  # fmt: skip

    def _update(self, request: Proto) -> Proto:
        inputs = values.from_struct(request.news)
        manifest, state = values.plain(inputs), values.from_struct(request.olds)
        if request.preview and (_type(request.urn) == _RELEASE or values.has_unknown(manifest)):
            return provider_pb2.UpdateResponse(properties=request.news)
        if _type(request.urn) == _RELEASE:
            return provider_pb2.UpdateResponse(properties=self._release(request, inputs, new=False).properties)
        manager = state.get("__fieldManager") or _manager(manifest)
        try:
            cluster = self.cluster()
            if not request.preview and not _is_patch(_type(request.urn)):
                _take_over_fields(cluster, manifest, manager)
            live = cluster.apply(manifest, manager, force=self._force(manifest), dry_run=request.preview)
        except ApiError as problem:
            raise Refusal(f"{_title(manifest)}: {problem}") from None
        if not request.preview:
            live = self._awaited(request, live, request.id, inputs, manager)
        return provider_pb2.UpdateResponse(properties=values.to_struct(_outputs(live, inputs, manager)))

    def _delete(self, request: Proto) -> Proto:
        from google.protobuf.empty_pb2 import Empty

        state = values.from_struct(request.properties)
        if _type(request.urn) == _RELEASE:
            namespace, _, name = request.id.rpartition("/")
            self.helm().uninstall(name, namespace)
            return Empty()
        reference = _reference(request, state.get("__inputs") or state)
        cluster = self.cluster()
        if _is_patch(_type(request.urn)):
            if cluster.get(reference):  # applying nothing gives up what we own, and nothing else
                cluster.apply(_bare(reference), state.get("__fieldManager") or _manager(reference), force=True)
            return Empty()
        live = cluster.get(reference)
        if live is None:
            return Empty()
        annotation = "pulumi.com/deletionPropagationPolicy"
        policy = (live["metadata"].get("annotations") or {}).get(annotation, "foreground").capitalize()
        uid = live["metadata"]["uid"]
        body = {"propagationPolicy": policy, "preconditions": {"uid": uid}}
        try:
            cluster.request("DELETE", cluster.path(reference), body)
            ready.wait_gone(cluster, reference, uid, request.timeout, self._stopped)
        except ApiError as problem:
            if problem.status != 404:
                raise Refusal(f"{_title(reference)}: {problem}") from None
        except ready.NotReady as problem:
            raise Refusal(f"{_title(reference)}: {problem}") from None
        return Empty()

    def _release(self, request: Proto, inputs: Properties, *, new: bool) -> Proto:
        args = values.plain(inputs)
        name, namespace = args["name"], args["namespace"]
        known = self.helm().status(name, namespace) is not None
        failure: HelmError | None = None
        try:
            self.helm().deploy(args, request.timeout or args.get("timeout") or 300, new=new)
        except HelmError as problem:
            failure = problem
        status = self.helm().status(name, namespace)
        if status is None or (failure and new and known):
            raise failure or HelmError(f"helm does not know {namespace}/{name} any more")
        summary = {
            key: status[key] for key in ("appVersion", "chart", "name", "namespace", "revision", "status", "version")
        }
        outputs = {**inputs, "status": summary, "__inputs": values.secret(values.plain(inputs))}
        identity = f"{namespace}/{name}"
        if failure:  # Helm has it, so it belongs into the state, where the next run upgrades it
            detail = provider_pb2.ErrorResourceInitFailed(
                id=identity, reasons=[f"Helm release {identity}: {failure}"], inputs=values.to_struct(inputs),
                properties=values.to_struct(outputs),
            )  # fmt: skip
            raise _InitFailed(detail)
        return provider_pb2.CreateResponse(id=identity, properties=values.to_struct(outputs))

    # What the calls share.

    def _manager_for(self, kind: str, manifest: Manifest) -> str:
        annotated = (manifest["metadata"].get("annotations") or {}).get("pulumi.com/patchFieldManager")
        return annotated or (f"pulumi-kubernetes-{secrets.token_hex(4)}" if _is_patch(kind) else "pulumi-kubernetes")

    def _force(self, manifest: Manifest) -> bool:
        annotations = manifest["metadata"].get("annotations") or {}
        return self._option("enablePatchForce") or annotations.get("pulumi.com/patchForce") == "true"

    def _awaited(self, request: Proto, live: Manifest, identity: str, inputs: Properties, manager: str) -> Manifest:
        """Wait for an object; one that does not get ready stays in the state, with the reasons."""
        try:
            return ready.wait_ready(
                self.cluster(), live, request.timeout, lambda text: self._log(text, request.urn), self._stopped
            )  # fmt: skip
        except ready.NotReady as problem:
            current = self.cluster().get(live) or live
            reasons = [
                f"{_title(live)} failed to fully initialize or become live: {reason}" for reason in problem.reasons
            ]
            detail = provider_pb2.ErrorResourceInitFailed(
                id=identity, reasons=reasons, inputs=values.to_struct(inputs),
                properties=values.to_struct(_outputs(current, inputs, manager)),
            )  # fmt: skip
            raise _InitFailed(detail) from None

    def _log(self, text: str, urn: str = "") -> None:
        severity = engine_pb2.LogSeverity.INFO
        self._engine.Log(engine_pb2.LogRequest(severity=severity, message=text, urn=urn, ephemeral=bool(urn)))

    async def _answer(self, context: Any, work: Callable[[], T]) -> T:
        """Do blocking work in a thread; what goes wrong becomes one message, without a traceback."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._workers, work)
        except _InitFailed as failed:
            await context.abort_with_status(_status(failed.detail))
        except (Refusal, Unreachable, HelmError, ApiError) as problem:
            await context.abort(grpc.StatusCode.UNKNOWN, str(problem))
        raise AssertionError("abort raises")


class _InitFailed(Exception):
    def __init__(self, detail: Proto) -> None:
        super().__init__("; ".join(detail.reasons))
        self.detail = detail


class _ChartBuilder(pulumi.provider.Provider):
    """Builds the component ``helm.sh/v4:Chart``: each object of the chart as a resource of its own."""

    def __init__(self, version: str, provider: KubernetesProvider) -> None:
        super().__init__(version)
        self._provider = provider

    def construct(
        self, name: str, resource_type: str, inputs: Any, options: pulumi.ResourceOptions | None = None
    ) -> pulumi.provider.ConstructResult:
        """Render the chart and register its objects, side by side: none of ours is of a kind that its chart defines."""
        if resource_type != _CHART:
            raise Refusal(f"the stand-in provider has no component {resource_type}")
        chart = pulumi.ComponentResource(resource_type, name, None, options)
        args: Properties = {key: value for key, value in inputs.items() if value is not None}
        prefix = args.get("resourcePrefix") or name
        namespace = args.get("namespace") or "default"
        objects = self._provider.helm().template(args, args.get("name") or name, namespace)
        resources: Any = [
            self._register(prefix, manifest, namespace, chart)
            for manifest in objects
            if _HOOK not in (manifest["metadata"].get("annotations") or {})
        ]
        return pulumi.provider.ConstructResult(chart.urn, {"resources": resources})

    def _register(self, prefix: str, manifest: Manifest, namespace: str, chart: pulumi.Resource) -> pulumi.Resource:
        """One object of a chart, named and typed as the real provider does."""
        metadata = manifest["metadata"]
        if "namespace" not in metadata and self._provider.cluster().is_namespaced(manifest):
            metadata["namespace"] = namespace
        where = f"{metadata['namespace']}/" if "namespace" in metadata else ""
        api_version = manifest["apiVersion"] if "/" in manifest["apiVersion"] else f"core/{manifest['apiVersion']}"
        properties: Properties = dict(manifest)
        if manifest["kind"] == "Secret":
            for field in ("data", "stringData"):
                if field in properties:
                    properties[field] = pulumi.Output.secret(properties[field])
        return pulumi.CustomResource(
            f"kubernetes:{api_version}:{manifest['kind']}",
            f"{prefix}:{where}{metadata['name']}",
            properties,
            pulumi.ResourceOptions(parent=chart),
        )


def _plugin_info(version: str) -> Proto:
    from pulumi.runtime.proto import plugin_pb2

    return plugin_pb2.PluginInfo(version=version)


def _status(detail: Proto) -> Any:
    """The gRPC status by which the engine knows that a resource exists but did not get ready."""
    from google.protobuf.any_pb2 import Any as Packed
    from pulumi.runtime.proto.status_pb2 import Status  # the package google.rpc has the same one: only one may load

    packed = Packed()
    packed.Pack(detail)
    message = "; ".join(detail.reasons)
    rich = Status(code=grpc.StatusCode.UNKNOWN.value[0], message=message, details=[packed])

    class Rich(grpc.Status):
        code = grpc.StatusCode.UNKNOWN
        details = message
        trailing_metadata = (("grpc-status-details-bin", rich.SerializeToString()),)

    return Rich()


def _type(urn: str) -> str:
    return urn.split("::")[2].rpartition("$")[2]


def _is_patch(kind: str) -> bool:
    return kind.endswith("Patch") and kind.startswith("kubernetes:")


def _group(api_version: str) -> str:
    return api_version.rpartition("/")[0]


def _automatic_name(request: Proto) -> str:
    return f"{request.urn.split('::')[-1].lower()}-{request.randomSeed.hex()[:8]}"


def _title(manifest: Manifest) -> str:
    metadata = manifest["metadata"]
    where = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    return f"{manifest['kind']} {where}{metadata['name']}"


def _identity(live: Manifest) -> str:
    metadata = live["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}" if metadata.get("namespace") else metadata["name"]


def _reference(request: Proto, known: Properties) -> Manifest:
    """The object that an id and a URN name."""
    namespace, _, name = request.id.rpartition("/")
    _, group_version, kind = _type(request.urn).split(":")
    group_version = group_version.removeprefix("core/")
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    api_version = values.plain(known.get("apiVersion")) or group_version
    return {"apiVersion": api_version, "kind": kind.removesuffix("Patch") if _is_patch(_type(request.urn)) else kind,
            "metadata": metadata}  # fmt: skip


def _bare(manifest: Manifest) -> Manifest:
    metadata = {name: value for name, value in manifest["metadata"].items() if name in ("name", "namespace")}
    return {"apiVersion": manifest["apiVersion"], "kind": manifest["kind"], "metadata": metadata}


def _is_new(cluster: Cluster, manifest: Manifest) -> bool:
    """Whether, during a preview, an object is in a kind or namespace that does not exist yet."""
    try:
        return cluster.get(manifest) is None
    except ApiError:
        return True


def _manager(state: Properties) -> str:
    return state.get("__fieldManager") or "pulumi-kubernetes"


def _take_over_fields(cluster: Cluster, manifest: Manifest, manager: str) -> None:
    """Give to ``manager`` what it created, and what kubectl wrote, so that the next apply can remove it."""
    live = cluster.get(manifest)
    entries: list[Manifest] = (live or {}).get("metadata", {}).get("managedFields", [])
    taken = [entry for entry in entries if _is_taken_over(entry)]
    if live is None or not taken:
        return
    held = [entry for entry in entries if entry["manager"] == manager and entry["operation"] == "Apply"]
    fields: Manifest = {}
    for entry in (*held, *taken):
        fields = _merged(fields, entry["fieldsV1"])
    kept = [entry for entry in entries if entry not in (*held, *taken)]
    patch = [
        {"op": "replace", "path": "/metadata/managedFields", "value": [
            *kept, {**(held or taken)[0], "manager": manager, "operation": "Apply", "fieldsV1": fields},
        ]},
        {"op": "test", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]},
    ]  # fmt: skip
    cluster.request("PATCH", cluster.path(manifest), patch, "application/json-patch+json")


def _is_taken_over(entry: Manifest) -> bool:
    wanted = ("kubectl", "before-first-apply", "pulumi-kubernetes", "pulumi-resource-kubernetes")
    prefixes = {"Update": wanted, "Apply": ("kubectl",)}
    return "subresource" not in entry and entry["manager"].startswith(prefixes[entry["operation"]])


def _merged(left: Manifest, right: Manifest) -> Manifest:
    """Both trees of fields in one."""
    common = {name: _merged(left[name], right[name]) for name in left.keys() & right.keys()}
    return {**left, **right, **common}


def _outputs(live: Manifest, inputs: Properties, manager: str) -> Properties:
    """The state of an object: as it lives, what was asked for, and who owns its fields."""
    outputs = _mark_secret_data(values.with_secrets_of(live, inputs))
    return {
        **outputs,
        "__fieldManager": manager,
        "__initialApiVersion": live["apiVersion"],
        "__inputs": _mark_secret_data(inputs),
    }


def _mark_secret_data(properties: Properties) -> Properties:
    if properties.get("kind") != "Secret":
        return properties
    return {
        name: values.secret(values.plain(value)) if name in ("data", "stringData") else value
        for name, value in properties.items()
    }


def _with_encoded_data(inputs: Properties) -> Properties:
    """A Secret's ``stringData`` as ``data``, which is how the API server gives it back."""
    texts = values.plain(inputs.get("stringData"))
    if inputs.get("kind") != "Secret" or not texts or values.has_unknown(texts):
        return inputs
    encoded = {name: base64.b64encode(text.encode()).decode() for name, text in texts.items()}
    kept = {name: value for name, value in inputs.items() if name != "stringData"}
    return {**kept, "data": values.secret({**(values.plain(inputs.get("data")) or {}), **encoded})}


def _imported(live: Manifest) -> Properties:
    """The inputs of an object that was imported: what a person would have written."""
    kept = {name: value for name, value in live.items() if name not in ("status", *_HIDDEN)}
    server = ("uid", "resourceVersion", "managedFields", "creationTimestamp", "generation", "selfLink")
    return {**kept, "metadata": {name: value for name, value in live["metadata"].items() if name not in server}}


def _copy_path(old: Properties, new: Properties, path: str) -> None:
    *parents, last = path.split(".")
    for step in parents:
        old, new = old.get(step, {}), new.setdefault(step, {})
    if last in old:
        new[last] = old[last]


def _diff_kind(how: str, replace: bool) -> Any:
    return provider_pb2.PropertyDiff.Kind.Value(f"{how.upper()}{'_REPLACE' if replace else ''}")


def _active_cluster(options: Properties) -> object:
    """The cluster stanza that a kubeconfig's context leads to."""
    document = yaml.safe_load(options.get("kubeconfig") or "{}") or {}
    context = options.get("context") or document.get("current-context")
    named = next((c["context"]["cluster"] for c in document.get("contexts", []) if c["name"] == context), None)
    return next((c["cluster"] for c in document.get("clusters", []) if c["name"] == named), None)
