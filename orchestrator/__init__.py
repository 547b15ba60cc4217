"""Calls models by task name."""
