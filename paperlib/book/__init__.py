"""The book: plan its notebooks, execute what is not up to date with papermill, and render all pages.

    book/*.md  --papermill-->  _build/executed/<profile>/*.ipynb
               --stage-->      _build/stage
               --jupyter-book-->  _build/html
               --Chromium-->      _build/book.pdf, where asked for

No part of the paper's mathematics is here. `make reproduce` and `paperlib reproduce` call `reproduce`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
