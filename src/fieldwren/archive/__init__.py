"""The archives: what their collections are, how they are searched, how their bytes are read."""
