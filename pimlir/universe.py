"""What plain `xdsl-opt` sees of pimlir: lazy factories of dialects, passes and targets.

Every `xdsl-opt` of the environment imports this module, so it imports nothing heavy and never raises.
"""

from xdsl.universe import Universe

UNIVERSE = Universe()
