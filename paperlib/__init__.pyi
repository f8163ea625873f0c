from .data.images import Images as Images
from .data.images import load_images as load_images
from .data.matrix import load_matrix as load_matrix
from .data.patches import PatchSampler as PatchSampler
from .elbo.annealing import schedule as schedule
from .elbo.posteriors import DiagonalGaussian as DiagonalGaussian
from .elbo.posteriors import FullGaussian as FullGaussian
from .elbo.posteriors import LowRankGaussian as LowRankGaussian
from .models.contract import Model as Model
from .models.sparse_coding.estimator import SparseCoder as SparseCoder
from .models.sparse_coding.inference import fit_posterior as fit_posterior
from .models.sparse_coding.model import SparseCodingModel as SparseCodingModel
from .models.sparse_coding.objectives import classical_elbo as classical_elbo
from .models.sparse_coding.objectives import entropy_elbo as entropy_elbo
from .models.sparse_coding.trainers.amortized import fit_amortized as fit_amortized
from .models.sparse_coding.trainers.em import fit_em as fit_em
from .models.sparse_coding.trainers.result import FitResult as FitResult
from .papers.sparse_codes.bars.data import bars as bars
from .plotting.fields import plot_fields as plot_fields
from .plotting.table import Table as Table
from .records.record import Results as Results
from .records.record import read_records as read_records
from .system.errors import InputError as InputError

__version__: str
