from .scikit_learn import learn_ica as learn_ica
from .scikit_learn import learn_minibatch_dictionary as learn_minibatch_dictionary
from .scikit_learn import learn_pca as learn_pca
from .sparsenet import Cost as Cost
from .sparsenet import SparsenetResult as SparsenetResult
from .sparsenet import fit_sparsenet as fit_sparsenet
from .sparsenet import infer_codes as infer_codes
