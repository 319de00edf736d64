"""`python -m tests.node.network KUBECONFIG`, in the node's network: enforces NetworkPolicies until it is stopped."""

import asyncio
import sys
from pathlib import Path

from tests.node.network.enforcer import enforce

# Whoever is refused is always told so: the kernel would let some wait for nothing.
Path("/proc/sys/net/ipv4/icmp_ratelimit").write_text("0")
asyncio.run(enforce(Path(sys.argv[1])))
