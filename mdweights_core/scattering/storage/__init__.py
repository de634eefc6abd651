"""The store of structure factors on disk."""
