"""Pure functions on the time series of one place."""
