"""Pure functions on pixels: numpy in, numpy out; no network, no files, no GDAL."""
