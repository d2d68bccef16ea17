"""The one exception of the functional simulator and the system loop: a program or an input that cannot be executed."""


class SimulationError(ValueError):
    """Bad image, weights or input. The message is one line: where, what was found, what the limit is."""
