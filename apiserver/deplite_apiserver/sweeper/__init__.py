"""What has to happen because time passed: one elected loop over pure policies."""
