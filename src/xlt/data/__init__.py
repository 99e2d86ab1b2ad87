"""Readers for every task of a data root, and what may be trained on."""

from xlt.data.overlap import Overlap, overlap_table, overlaps, parallel_overlaps, test_index
from xlt.data.records import DataSet, FileSet
from xlt.data.root import SPLITS, DataRoot
from xlt.data.texts import TextSource, allowed_text, text_sources
from xlt.data.training import Training, training_sets

__all__ = [
    "SPLITS",
    "DataRoot",
    "DataSet",
    "FileSet",
    "Overlap",
    "TextSource",
    "Training",
    "allowed_text",
    "overlap_table",
    "overlaps",
    "parallel_overlaps",
    "test_index",
    "text_sources",
    "training_sets",
]
