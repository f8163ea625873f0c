"""The paper's empirical claims, each with what our results of record say about it.

The thresholds of the verdicts stand in these modules, by subject; numbers come from results/.
"""

from paperlib.claims import annealing, bars, natural_images, others
from paperlib.claims.base import VERDICTS, Claim, Finding

CLAIMS = [*bars.CLAIMS, *natural_images.CLAIMS, *annealing.CLAIMS, *others.CLAIMS]

__all__ = ["CLAIMS", "VERDICTS", "Claim", "Finding"]
