"""The paper's empirical claims, each with what our results of record say about it.

The thresholds of the verdicts stand in these modules, one a page of the book; numbers come from results/.
"""

from paperlib.claims import annealing, natural_images
from paperlib.claims.base import VERDICTS, Claim, Finding

CLAIMS = [*natural_images.CLAIMS, *annealing.CLAIMS]

__all__ = ["CLAIMS", "VERDICTS", "Claim", "Finding"]
