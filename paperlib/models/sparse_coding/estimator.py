"""The sparse coding model as a scikit-learn transformer: EM (Section 4.2) in pipelines and searches.

`SparseCoder` adds conventions, not mathematics: it learns by `fit_em`, encodes by `infer_diagonal` and scores
by `elbo_of_points` at the fitted λ and σ².  As in scikit-learn, a row is a component: `components_` is W̃ᵀ.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags, check_array, check_random_state, check_scalar
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from paperlib.elbo.history import Snapshot
from paperlib.elbo.posteriors import DiagonalGaussian, concatenate
from paperlib.models.contract import elbo_of_points
from paperlib.models.sparse_coding.inference import infer_diagonal
from paperlib.models.sparse_coding.inference.scales import unit_near
from paperlib.models.sparse_coding.model import SparseCodingModel
from paperlib.models.sparse_coding.settings import EMSettings
from paperlib.models.sparse_coding.trainers import EMState, fit_em
from paperlib.models.sparse_coding.trainers.em_state import initial_state
from paperlib.models.sparse_coding.trainers.running import newest_share
from paperlib.system.errors import InputError

DTYPES = ["float64", "float32"]  # the first one is for all other data
POINTS_AT_ONCE = 2_048  # bounds working memory; results do not depend on it
# Of an `EMState`: what training goes on from, besides the dictionary.
RUNNING = ("iterate", "velocity", "usage", "noise_variance", "prior_scales", "random_state")
N_STEPS = 100  # ends within 1e-7 nats of the optimum unless fields nearly coincide


class SparseCoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Probabilistic sparse coding: codes are posterior means under a learned dictionary.

    z_h ~ Laplace(0, λ_h),  x | z ~ N(W̃z, σ² I),  ‖w̃_h‖ = 1 (Eq. 5), with posteriors N(ν, diag(τ²)).

    The model has mean zero, and data are NOT centered here: where features have means, put
    ``StandardScaler(with_std=False)`` in front.  Numbers have the dtype of the data first learned from, whose
    units may be as small or large as the dtype allows: learning has units of its own.

    Parameters
    ----------
    n_components : int, optional
        H, the number of fields; as many as there are features if not given.
    annealing : {"none", "prior", "likelihood", "energy"}
        Schedule of the entropies' weights during `fit` (Eq. 17); see `paperlib.elbo.annealing.schedule`.
    n_epochs : int
        Passes of `fit` over the data.
    batch_size, learning_rate : int, float
        Minibatch and first dictionary rate, which falls to 0 over `fit` and over each call of `partial_fit`.
    polish : int, optional
        Iterations of L-BFGS on the dictionary at the end of `fit`; 0 for none, 20 if not given.
    random_state : int, RandomState instance, optional
        Source of the first dictionary and of the order of visits.

    Attributes
    ----------
    components_ : array (n_components, n_features)
        W̃ᵀ; rows have unit norm, their order and signs mean nothing.
    prior_scales_ : array (n_components,)
        λ.
    noise_variance_ : float
        σ².
    n_features_in_ : int
        D.
    feature_names_in_ : array (n_features,)
        Only where the data have names.
    n_iter_ : int
        Passes over data so far; so does an evaluation of L-BFGS count, and a call of `partial_fit`.
    history_ : list of dict
        One row a pass, as `fit_em` describes them.

    Examples
    --------
    >>> import torch
    >>> from paperlib.data import bars
    >>> from paperlib.models.sparse_coding.estimator import SparseCoder
    >>> pictures = bars(500, generator=torch.Generator().manual_seed(0)).x.numpy()
    >>> SparseCoder(10, annealing="prior", random_state=0).fit_transform(pictures).shape
    (500, 10)
    """

    # without types, which the tests would check: in scikit-learn any value has to get as far as `fit`
    def __init__(  # type: ignore[no-untyped-def]
        self,
        n_components=None,
        *,
        annealing=EMSettings.annealing,
        n_epochs=EMSettings.n_epochs,
        batch_size=EMSettings.batch_size,
        learning_rate=EMSettings.learning_rate,
        polish=EMSettings.polish,
        random_state=None,
    ):
        self.n_components = n_components
        self.annealing = annealing
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.polish = polish
        self.random_state = random_state

    def fit(self, X: object, y: object = None) -> SparseCoder:
        """Learn dictionary, λ and σ² from all data at once; what was learned before is forgotten.

        Parameters
        ----------
        X : array-like (n_samples, n_features)
            Data of mean zero.
        y : None
            Ignored, as everywhere below.

        Raises
        ------
        ValueError
            If data are not a finite matrix or are all zero, or a parameter cannot work.
        """
        x = self._to_tensor(X, reset=True)
        state = self._first_state(x)
        self._train(state, x, n_epochs=self.n_epochs, annealing=self.annealing, polish=self.polish)
        self.n_iter_ = state.passes
        self.history_ = [self._in_units(row, state.dictionary.shape) for row in state.history]
        self._keep_running(state)
        self._keep_model(state.dictionary, state.prior_scales, state.noise_variance)
        return self

    def partial_fit(self, X: object, y: object = None) -> SparseCoder:
        """Learn from one pass over a piece of a stream, a minibatch or more, on top of all learned before.

        λ and σ² are averages that forget slowly (`running.MEMORY` of the trainers), and so is the dictionary:
        of all that the steps passed, about the last sixth (`em.AVERAGING`).  There is no annealing, for which
        the last pass would have to be known.

        Parameters
        ----------
        X : array-like (n_samples, n_features)
            Data of mean zero.
        y : None

        Raises
        ------
        ValueError
            As in `fit`, or if the number of features has changed.
        """
        first = not hasattr(self, "components_")
        x = self._to_tensor(X, reset=first)
        state = self._first_state(x) if first else self._last_state(x)

        def keep(now: Snapshot) -> None:  # after the pass: `fit_em` ends with λ and σ² of `x` alone
            self._keep_running(now.state)

        self._train(state, lambda epoch: x, n_epochs=1, polish=0, callback=keep)
        newest, share = (state.prior_scales, state.noise_variance), newest_share(len(x), state.seen)
        if not first:
            old = self._model()
            present = old.prior_scales, old.noise_variance
            newest = torch.lerp(present[0], newest[0], share), torch.lerp(present[1], newest[1], share)
        self._keep_model(state.dictionary, *newest)
        if first:
            self.n_iter_, self.history_ = 0, []
        self.n_iter_ += 1
        before = self.history_[-1]["seconds"] if self.history_ else 0.0
        row = self._in_units(state.history[0], state.dictionary.shape)
        self.history_.append({**row, "step": self.n_iter_, "seconds": before + row["seconds"]})
        return self

    def transform(self, X: object) -> np.ndarray:
        """Codes of data `X` (n_samples, n_features): the posterior means ν, array (n_samples, n_components).

        Raises
        ------
        ValueError
            If data are not a finite matrix with as many features as in `fit` (`NotFittedError` before `fit`).
        """
        return self.posterior(X).mean.numpy()

    def inverse_transform(self, Z: object) -> np.ndarray:
        """Mean of data with codes `Z` (n_samples, n_components), W̃z (Eq. 5): array (n_samples, n_features).

        Raises
        ------
        ValueError
            If codes are not a finite matrix with one column a component.
        """
        check_is_fitted(self, "components_")
        codes = check_array(Z, dtype=self.components_.dtype, input_name="Z")
        if codes.shape[1] != len(self.components_):
            raise InputError(
                f"Codes have {codes.shape[1]} columns, but there are {len(self.components_)} components; "
                "they must agree."
            )
        return codes @ self.components_

    def posterior(self, X: object) -> DiagonalGaussian:
        """Optimal diagonal posteriors (Eq. 4) of data `X` (n_samples, n_features) for the fitted model.

        Returns
        -------
        DiagonalGaussian
            `mean` ν and `std` τ, tensors (n_samples, n_components).

        Raises
        ------
        ValueError
            As in `transform`.
        """
        check_is_fitted(self, "components_")
        return _posterior(self._to_tensor(X, reset=False), self._model()).scaled(self._unit)

    def score_samples(self, X: object) -> np.ndarray:
        """ELBO of each data point of `X` (n_samples, n_features) at the fitted λ and σ² (Eq. 4), in nats.

        Returns
        -------
        array (n_samples,)
            In float64.  Raises as `transform` does.
        """
        check_is_fitted(self, "components_")
        x, model = self._to_tensor(X, reset=False), self._model()
        return elbo_of_points(model, x, _posterior(x, model)).numpy() - x.shape[1] * math.log(self._unit)

    def score(self, X: object, y: object = None) -> float:
        """Mean ELBO of data `X` at the fitted λ and σ² (Eq. 4), in nats a data point; `y` is ignored."""
        return float(self.score_samples(X).mean())

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = DTYPES
        return tags

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)

    def _to_tensor(self, X: object, reset: bool) -> Tensor:
        """Checked data in `_unit`, copied, as arrays may be read-only; of the fitted dtype unless `reset`."""
        dtype = DTYPES if reset else self.components_.dtype
        x = torch.tensor(validate_data(self, X, reset=reset, dtype=dtype, order="C"))
        if reset:
            self._unit = unit_near(x)
        return x / self._unit

    def _in_units(self, row: dict, shape: tuple[int, ...]) -> dict:
        """A row of the history of data in `_unit` as one of the data themselves."""
        n_features, n_latents = (count * math.log(self._unit) for count in shape)
        return {
            **row, "elbo": row["elbo"] - n_features,
            "posterior_entropy": row["posterior_entropy"] + n_latents,
            "prior_entropy": row["prior_entropy"] + n_latents,
            "likelihood_entropy": row["likelihood_entropy"] + n_features,
        }  # fmt: skip

    def _first_state(self, x: Tensor) -> EMState:
        n_components = x.shape[1] if self.n_components is None else self.n_components
        check_scalar(n_components, "n_components", Integral, min_val=1)
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        return initial_state(x, int(n_components), torch.Generator().manual_seed(seed))

    def _last_state(self, x: Tensor) -> EMState:
        """Where training stopped, without posteriors of `x`, which has not been visited yet."""
        running: dict[str, Any] = {name: torch.tensor(array) for name, array in self._running.items()}
        return EMState(
            dictionary=torch.tensor(self.components_).T,
            **running,
            mean=x.new_empty(0, len(self.components_)),
            std=x.new_empty(0, len(self.components_)),
            seen=self._seen,
        )

    def _train(self, state: EMState, x: Tensor | Callable[[int], Tensor], **options: Any) -> None:
        """Run EM from `state`, which holds the random state too, and leave in it where EM stopped."""
        fit_em(
            x, state.dictionary.shape[1], batch_size=self.batch_size, learning_rate=self.learning_rate,
            state=state, generator=torch.Generator(), progress=False, **options,
        )  # fmt: skip

    def _keep_running(self, state: EMState) -> None:
        """Keep as arrays and numbers what training can go on from: all but the posteriors of the data."""
        self._running = {name: getattr(state, name).numpy() for name in RUNNING}
        self._seen = state.seen

    def _keep_model(self, dictionary: Tensor, prior_scales: Tensor, noise_variance: Tensor) -> None:
        self.components_ = dictionary.T.contiguous().numpy()
        self.prior_scales_ = prior_scales.numpy() * self._unit
        self.noise_variance_ = float(noise_variance) * self._unit**2

    def _model(self) -> SparseCodingModel:
        dictionary = torch.tensor(self.components_).T
        noise_variance = torch.tensor(self.noise_variance_ / self._unit**2, dtype=dictionary.dtype)
        return SparseCodingModel(dictionary, torch.tensor(self.prior_scales_ / self._unit), noise_variance)


def _posterior(x: Float[Tensor, "N D"], model: SparseCodingModel) -> DiagonalGaussian:
    return concatenate(
        [
            infer_diagonal(batch, model, n_steps=N_STEPS)
            for batch in x.split(POINTS_AT_ONCE)
        ]
    )
