"""The files that the programs of a machine read; JSON is YAML, and needs no library to be written."""

import json
from pathlib import Path
from typing import Any

from tests.node.machine.plan import DNS, PODS, Machine

CONTAINERD = "/run/containerd/containerd.sock"
SANDBOX = "deplite-node/pause:1"
_PLUGINS = "/usr/lib/cni"


def write(machine: Machine, proxy: Path, authority: Path, group: str) -> None:
    """Write all of them.

    Args:
        machine: whose they are.
        proxy: the kubeconfig of its kube-proxy.
        authority: vouches for the API server where it calls the kubelet.
        group: the cgroup that its pods are under, without the machine's own.
    """
    network = machine.root / "cni"
    network.mkdir(exist_ok=True)
    (network / "10-pods.conflist").write_text(json.dumps(_network(machine)))
    (machine.root / "containerd.toml").write_text(_containerd(machine, network))
    (machine.root / "resolv.conf").write_text("")
    (machine.root / "kubelet.json").write_text(json.dumps(_kubelet(machine, authority, group)))
    (machine.root / "proxy.json").write_text(json.dumps(_proxy(machine, proxy)))


def _network(machine: Machine) -> dict[str, Any]:
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": machine.pods}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": "/run/cni",  # with the pods, its leases end when the machine is switched off
    }
    bridge = {"type": "bridge", "bridge": "pods", "isGateway": True, "ipMasq": False, "hairpinMode": True}
    return {
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [bridge | {"ipam": addresses}, {"type": "portmap", "capabilities": {"portMappings": True}}],
    }


def _containerd(machine: Machine, network: Path) -> str:
    quoted = json.dumps  # strings of JSON are strings of TOML
    runtime = '[plugins."io.containerd.grpc.v1.cri".containerd'
    return f"""version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
                    "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs"]
[grpc]
address = {quoted(CONTAINERD)}
[plugins."io.containerd.internal.v1.opt"]
path = {quoted(str(machine.root / "opt"))}
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = {quoted(SANDBOX)}
restrict_oom_score_adj = true
disable_apparmor = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = {quoted(_PLUGINS)}
conf_dir = {quoted(str(network))}
{runtime}]
snapshotter = "overlayfs"
default_runtime_name = "runc"
{runtime}.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
{runtime}.runtimes.runc.options]
SystemdCgroup = false
"""


def _kubelet(machine: Machine, authority: Path, group: str) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": machine.address,
        "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": str(authority)}},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{group}/{machine.name}",
        "clusterDNS": [DNS],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{CONTAINERD}",
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "200Mi", "imagefs.available": "200Mi"},
        "failCgroupV1": False,
        "failSwapOn": False,
        "imageGCHighThresholdPercent": 100,  # nobody could bring an image back
        "imageGCLowThresholdPercent": 99,
        "nodeLeaseDurationSeconds": 20,  # renewed each five seconds; after 30 without (plane.py) a node counts as gone
        "nodeStatusUpdateFrequency": "5s",
        "oomScoreAdj": 0,
        "protectKernelDefaults": True,  # it changes none of the machine's settings (mounts.py)
        "resolvConf": str(machine.root / "resolv.conf"),
        "syncFrequency": "5s",  # within that an edit of a ConfigMap reaches pods
        "volumePluginDir": str(machine.root / "volume-plugins"),
    }


def _proxy(machine: Machine, kubeconfig: Path) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "clusterCIDR": PODS,
        "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "hostnameOverride": machine.name,
        "iptables": {"minSyncPeriod": "100ms"},
        "mode": "iptables",
        "oomScoreAdj": 0,
    }
