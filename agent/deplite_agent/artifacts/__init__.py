"""Files that a workflow leaves behind: found by pattern, uploaded after the last step, told about in the job's log."""
