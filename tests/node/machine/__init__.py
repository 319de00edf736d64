"""What runs where, from the outside in:

    keeper.py         on this machine: makes and removes the cgroups, keeps the door to the API, ends all of it
    first.py          the first process of the outer namespaces: the control plane (plane.py) and the machines
    node.py           the first process of one machine's namespaces: containerd, kube-proxy, kubelet

Killing a first process ends everything inside, with its mounts, interfaces and firewall rules. So a machine is
switched off by killing its first process, and the whole by killing the outer one.

    plan.py           what is to run, where it lies and which addresses it has; all of the above read it
    groups.py         cgroups              links.py   networks
    mounts.py         mounts               configuration.py   the files that the programs of a machine read
"""
