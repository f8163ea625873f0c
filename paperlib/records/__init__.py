"""Results of record: what experiments found, with everything that it came from, and claims judged by it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
