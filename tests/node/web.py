"""Objects for tests of the cluster itself: pods that answer with the name of their machine, of an image of ours."""

from typing import Any

from tests.node.images import RELEASE

IMAGE = f"deplite/agent:{RELEASE}"
LABELS = {"app": "web"}
PORT = 8000
_SERVER = f"""
import http.server, os, signal
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name = os.environ["NODE"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(name)))
        self.end_headers()
        self.wfile.write(name)
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
http.server.ThreadingHTTPServer(("", {PORT}), Handler).serve_forever()
"""


def service(**spec: Any) -> dict[str, Any]:
    """Return the Service of the pods, on port 80."""
    ports = [{"port": 80, "targetPort": PORT}]
    return _object("v1", "Service", {"selector": LABELS, "ports": ports} | spec)


def daemon_set() -> dict[str, Any]:
    """Return a DaemonSet: a pod on each machine."""
    return _workload("DaemonSet")


def deployment(**spec: Any) -> dict[str, Any]:
    """Return a Deployment of one pod."""
    return _workload("Deployment", **spec)


def pod(**spec: Any) -> dict[str, Any]:
    """Return the specification of a pod, as Pod Security `restricted` wants it."""
    container = {
        "name": "web",
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "command": ["python", "-c", _SERVER],
        "env": [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    return {
        "containers": [container],
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 5,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "fsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    } | spec


def claim() -> dict[str, Any]:
    """Return a claim of a disk."""
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return _object("v1", "PersistentVolumeClaim", spec)


def _workload(kind: str, **spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": LABELS}, "spec": pod()}
    return _object("apps/v1", kind, {"selector": {"matchLabels": LABELS}, "template": template} | spec)


def _object(version: str, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "web"}, "spec": spec}
