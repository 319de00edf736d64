# What holds a pod's namespaces: a static program that buries what it inherits and ends on SIGTERM.
FROM scratch
COPY pause /pause
USER 65535:65535
ENTRYPOINT ["/pause"]
