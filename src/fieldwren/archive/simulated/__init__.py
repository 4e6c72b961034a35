"""A small genuine archive with known truth, for the demo, for tests, and for working offline.

Cloud-Optimized GeoTIFFs in the layout of Landsat Collection 2 Level 2 with STAC items, of four real
places, on the real days of Landsat 8, with the real height of the sun. Land, weather and noise are
simulated, and everything says so.
"""

from fieldwren.archive.simulated.regions import demo_places
from fieldwren.archive.simulated.write import demo_archive, write_archive

__all__ = ["demo_archive", "demo_places", "write_archive"]
