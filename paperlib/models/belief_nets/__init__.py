"""Belief nets: binary latents in one layer or two, and visible units with canonical link."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
