"""Binary selection of frames, as the incumbent tools do it, for comparison with continuous weights."""
