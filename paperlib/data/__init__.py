"""The paper's data: bars, and patches of natural images."""

from paperlib.data.bars import BarsData, bar_fields, bars
from paperlib.data.download import cache_folder, fetch_olshausen
from paperlib.data.images import Images, load_images
from paperlib.data.patches import PatchSampler
from paperlib.data.whitening import whiten

__all__ = [
    "BarsData",
    "Images",
    "PatchSampler",
    "bar_fields",
    "bars",
    "cache_folder",
    "fetch_olshausen",
    "load_images",
    "whiten",
]
