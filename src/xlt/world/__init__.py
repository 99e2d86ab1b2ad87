"""The embedded synthetic benchmark: a deterministic multilingual world."""

from xlt.world.files.write import write_world
from xlt.world.sizes import SIZES

__all__ = ["SIZES", "write_world"]
