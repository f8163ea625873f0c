from .model import HiddenMarkovModel as HiddenMarkovModel
