"""A Monte Carlo of electromagnetic cascades, of our own; it is not Geant4 and not validated as that is."""

from .materials import MATERIALS, Material
from .showers import Cuts, Scored, Slab, Stack, deposits, score
from .transport import rotate, seed

__all__ = ["MATERIALS", "Cuts", "Material", "Scored", "Slab", "Stack", "deposits", "rotate", "score", "seed"]
