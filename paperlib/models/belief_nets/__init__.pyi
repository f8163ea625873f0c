from .net import BeliefNet as BeliefNet
from .net import TwoLayerBeliefNet as TwoLayerBeliefNet
