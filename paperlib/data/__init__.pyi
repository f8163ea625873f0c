from .download import cache_folder as cache_folder
from .download import fetch_olshausen as fetch_olshausen
from .images import Images as Images
from .images import load_images as load_images
from .patches import PatchSampler as PatchSampler
from .whitening import whiten as whiten
