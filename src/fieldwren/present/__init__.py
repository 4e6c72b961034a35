"""Pictures of results: plots, maps, chips and the report."""
