"""Observed maps and reflections in files of all formats."""
