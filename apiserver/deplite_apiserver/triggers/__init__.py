"""Triggers: who may start which workflow how."""
