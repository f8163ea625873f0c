"""The suite that models inherit (paperlib.testing) notices what is wrong with a model."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_models import TestPPCA as Suite

from paperlib.models.linear_gaussian import PPCA


class WrongSample(PPCA):
    def sample(self, n_points, generator):
        x, z = super().sample(n_points, generator)
        return x, 1.1 * z


class WrongDensity(PPCA):
    def log_joint(self, x, z):
        return super().log_joint(x, z) - self.noise.log()


class WrongElbo(PPCA):
    def elbo(self, stats):
        return 1.1 * super().elbo(stats)


class WrongTemperature(PPCA):
    def temperature(self):
        return super().temperature() | {"noise": self.noise}


class WrongFit(PPCA):
    def fitted(self, stats):
        return replace(super().fitted(stats), noise=1.01 * super().fitted(stats).noise)


class WrongSums(PPCA):
    def statistics(self, x, posterior):
        return super().statistics(x, posterior) * (1 / len(x))


@pytest.mark.parametrize(
    ("model", "noticed_by"),
    [
        (WrongSample, "test_samples_have_the_density"),
        (WrongDensity, "test_the_density_is_normalized_along_the_temperature"),
        (WrongElbo, "test_the_elbo_is_that_of_samples"),
        (WrongElbo, "test_the_gap_is_the_derivative_along_the_temperature_everywhere"),
        (WrongTemperature, "test_the_gap_is_the_derivative_along_the_temperature_everywhere"),
        (WrongFit, "test_fitted_parameters_are_stationary_and_the_others_stay"),
        (WrongSums, "test_sums_add_in_any_order_and_partition"),
    ],
)
def test_errors_of_models_are_noticed(model, noticed_by):
    class Wrong(Suite):
        def random_model(self, generator):
            return model(*super().random_model(generator).parameters.values())

    with pytest.raises(AssertionError):
        getattr(Wrong(), noticed_by)(0)
