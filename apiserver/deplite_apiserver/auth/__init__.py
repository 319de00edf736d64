"""Who calls: one scheme a file, and one table that says who may call what."""
