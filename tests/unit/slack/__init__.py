"""Tests of deplite_apiserver.slack without any I/O."""
