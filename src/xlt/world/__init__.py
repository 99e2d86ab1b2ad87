"""The embedded synthetic benchmark: a deterministic multilingual world."""

from xlt.world.sizes import SIZES
from xlt.world.write import write_world

__all__ = ["SIZES", "write_world"]
