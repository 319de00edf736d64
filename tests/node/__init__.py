"""A real Kubernetes on this machine, for tests and to play with: `make node`, `make node-down`.

programs/     kubelet, kube-proxy, kube-scheduler, CoreDNS and pause, built once
machine/      the processes of it, from the outside in
running.py    what tests use: `async with node_running(folder, nodes=2) as node`
objects/      what is applied to it before anybody else comes
door.py       a port of this machine that leads into its network
needs.py      what a machine must have for it
"""
