"""The API server, through the official client's connection: objects by kind and name, server-side apply, watches."""

import importlib
import json
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import yaml

Manifest = dict[str, Any]

_APPLY = "application/apply-patch+yaml"
_DISCOVERY_SECONDS = 20


class ApiError(Exception):
    """The API server said no: HTTP ``status``, ``reason`` as it names it, and its message."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason = status, reason


class Unreachable(Exception):
    """The API server does not answer."""


class Cluster:
    """One API server, as a kubeconfig names it."""

    def __init__(self, kubeconfig: str, context: str | None) -> None:
        """``kubeconfig`` is its content. Raises Unreachable for a server that is not on this machine."""
        loader: Any = importlib.import_module("kubernetes.config")  # untyped, and slow to import
        client = loader.new_client_from_config_dict(yaml.safe_load(kubeconfig), context=context)
        self.server: str = client.configuration.host
        if urlsplit(self.server).hostname not in ("127.0.0.1", "localhost", "::1"):
            raise Unreachable(f"the stand-in provider is a test tool and never touches {self.server}")
        self._pool: Any = client.rest_client.pool_manager
        self._headers: dict[str, str] = {"Accept": "application/json"}
        authorization: str | None = client.configuration.get_api_key_with_prefix("BearerToken")
        if authorization:
            self._headers["Authorization"] = authorization
        self._kinds: dict[str, dict[str, tuple[str, bool]]] = {}
        self._lock = threading.Lock()

    def request(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Manifest:
        """One call; returns the answer. Raises ApiError or Unreachable."""
        answer = self._call(method, path, body, content_type)
        text: str = answer.data.decode()
        if answer.status >= 400:
            try:
                status = json.loads(text)
            except ValueError:
                status = {"message": text.strip()}
            raise ApiError(answer.status, status.get("reason", ""), status.get("message", text))
        return json.loads(text) if text else {}

    def path(self, manifest: Manifest, namespace: str | None = None, *, collection: bool = False) -> str:
        """The path of an object; waits a little for a kind that was defined a moment ago. Raises ApiError."""
        api_version, kind = manifest["apiVersion"], manifest["kind"]
        plural, namespaced = self._resource(api_version, kind)
        root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        metadata = manifest["metadata"]
        inside = namespace or metadata.get("namespace") or "default"
        base = f"{root}/namespaces/{inside}/{plural}" if namespaced else f"{root}/{plural}"
        return base if collection else f"{base}/{metadata['name']}"

    def is_namespaced(self, manifest: Manifest) -> bool:
        """Whether objects of this kind live in a namespace."""
        return self._resource(manifest["apiVersion"], manifest["kind"])[1]

    def get(self, manifest: Manifest) -> Manifest | None:
        """The live object, or None."""
        try:
            return self.request("GET", self.path(manifest))
        except ApiError as problem:
            if problem.status == 404:
                return None
            raise

    def create(self, manifest: Manifest, manager: str, *, dry_run: bool = False) -> Manifest:
        """Make an object that is not there yet; its fields then belong to an update by ``manager``, not to an apply."""
        query = {"fieldManager": manager, "fieldValidation": "Warn", **({"dryRun": "All"} if dry_run else {})}
        return self.request("POST", f"{self.path(manifest, collection=True)}?{urlencode(query)}", manifest)

    def apply(self, manifest: Manifest, manager: str, *, force: bool, dry_run: bool = False) -> Manifest:
        """Server-side apply as field manager ``manager``."""
        query = {"fieldManager": manager, "force": str(force).lower(), "fieldValidation": "Warn"}
        if dry_run:
            query["dryRun"] = "All"
        return self.request("PATCH", f"{self.path(manifest)}?{urlencode(query)}", manifest, _APPLY)

    def watch(self, manifest: Manifest, seconds: float) -> Iterator[Manifest | None]:
        """The live object now and at every change, None while it is absent, for ``seconds`` at most."""
        end = time.monotonic() + seconds
        collection = self.path(manifest, collection=True)
        selector = {"fieldSelector": f"metadata.name={manifest['metadata']['name']}"}
        while True:
            listed = self.request("GET", f"{collection}?{urlencode(selector)}")
            named = {"apiVersion": manifest["apiVersion"], "kind": manifest["kind"]}  # a list's items lack them
            yield {**named, **listed["items"][0]} if listed["items"] else None
            left = int(end - time.monotonic())
            if left <= 0:
                return
            query = {
                **selector,
                "watch": "1",
                "resourceVersion": listed["metadata"]["resourceVersion"],
                "timeoutSeconds": str(min(left, 5)),  # short, so that a cancelled run does not hang here
            }
            answer = self._call("GET", f"{collection}?{urlencode(query)}", stream=True)
            buffer = b""
            for chunk in answer.stream(65536):
                buffer += chunk
                *lines, buffer = buffer.split(b"\n")
                for line in lines:
                    event: Manifest = json.loads(line)
                    if event["type"] == "ERROR":
                        break
                    yield None if event["type"] == "DELETED" else event["object"]
            answer.release_conn()

    def _resource(self, api_version: str, kind: str) -> tuple[str, bool]:
        end = time.monotonic() + _DISCOVERY_SECONDS
        while True:
            with self._lock:
                known = self._kinds.get(api_version, {})
            if kind in known:
                return known[kind]
            root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
            try:
                listed = self.request("GET", root)["resources"]
            except ApiError as problem:
                if problem.status != 404:
                    raise
                listed = []
            fresh = {r["kind"]: (r["name"], r["namespaced"]) for r in listed if "/" not in r["name"]}
            with self._lock:
                self._kinds[api_version] = fresh
            if kind not in fresh:
                if time.monotonic() > end:
                    raise ApiError(404, "NotFound", f"the cluster does not know {api_version} {kind}")
                time.sleep(0.2)  # discovery cannot be watched

    def _call(self, method: str, path: str, body: Any = None, content_type: str = "", *, stream: bool = False) -> Any:
        headers = {**self._headers, **({"Content-Type": content_type} if body is not None else {})}
        try:
            return self._pool.request(
                method, f"{self.server}{path}", body=json.dumps(body) if body is not None else None, headers=headers,
                preload_content=not stream, retries=False, timeout=60,
            )  # fmt: skip
        except OSError as problem:
            raise Unreachable(f"the API server {self.server} does not answer: {problem}") from None
        except Exception as problem:
            if type(problem).__module__.startswith("urllib3"):
                raise Unreachable(f"the API server {self.server} does not answer: {problem}") from None
            raise
