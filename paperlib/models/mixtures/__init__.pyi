from .families import FamilyMixture as FamilyMixture
from .gaussian import FullGaussianMixture as FullGaussianMixture
from .gaussian import IsotropicGaussianMixture as IsotropicGaussianMixture
from .gaussian import SharedGaussianMixture as SharedGaussianMixture
from .starts import fit_best as fit_best
from .starts import kmeans_classes as kmeans_classes
