"""Readers for every task of a data root, and what may be trained on."""

from xlt.data.records import DataSet, FileSet
from xlt.data.root import SPLITS, DataRoot

__all__ = ["SPLITS", "DataRoot", "DataSet", "FileSet"]
