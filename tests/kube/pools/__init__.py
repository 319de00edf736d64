"""Pods of agent pools that enrol: objects and tokens are those of a real kube-apiserver, only no kubelet runs them."""
