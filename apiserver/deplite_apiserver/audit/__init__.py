"""The audit record: who changed what, kept in the object store and never changed there."""
