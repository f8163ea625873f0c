"""Learning with entropy-based ELBOs: methods, and papers on them that a book reproduces.

`paperlib.elbo` holds entropies, posteriors and annealing, `paperlib.data` what is learned from,
`paperlib.models` the generative models with their inference and learning, `paperlib.plotting` figures and
tables, `paperlib.records` and `paperlib.runs` results with their provenance, `paperlib.papers` each paper's
experiments and claims, `paperlib.book` the pages, `paperlib.cli` the command, `paperlib.testing` what a
model's tests inherit, and `paperlib.system` what all of them use.  The names below are what most programs
need; each is imported when it is first used.
"""

import sys

import lazy_loader

from paperlib.system.moved import MovedModules

sys.meta_path.insert(0, MovedModules())  # before the finder of files, which would load them twice
__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
