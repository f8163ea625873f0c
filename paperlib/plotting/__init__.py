"""Figures and tables that more than one topic draws with, once.

Functions take numbers and return a matplotlib `Figure`; none of them computes results or opens a window.
Notebooks show the figure that a cell ends with.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
