"""Data: natural images, and patches of them."""

from paperlib.data.download import cache_folder, fetch_olshausen
from paperlib.data.images import Images, load_images
from paperlib.data.patches import PatchSampler
from paperlib.data.whitening import whiten

__all__ = [
    "Images",
    "PatchSampler",
    "cache_folder",
    "fetch_olshausen",
    "load_images",
    "whiten",
]
