"""Data: natural images and patches of them, and matrices of data points."""

import lazy_loader

from paperlib.system.moved import with_moved

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__getattr__ = with_moved(
    __getattr__, "paperlib.papers.sparse_codes.bars.data", ("BarsData", "bar_fields", "bars")
)
