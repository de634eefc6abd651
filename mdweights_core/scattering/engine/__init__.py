"""Structure factors of one frame."""
