"""What lies outside the cluster: log parts and finished jobs, in S3."""
