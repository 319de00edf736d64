# The cluster's names. Its Corefile comes from a ConfigMap, and its port is one that needs no right.
FROM scratch
COPY coredns /coredns
USER 65532:65532
ENTRYPOINT ["/coredns"]
