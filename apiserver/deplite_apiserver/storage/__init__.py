"""What lies outside the cluster: log parts, finished jobs and files, in S3."""
