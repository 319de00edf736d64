"""Files: uploads and downloads go between callers and the object store; we hold what is known of them, and sign."""
