"""Task files that come with xlt: sets beyond XTREME, each a suite of its own.

`--task-file NAME` finds them by name. Their languages and layouts are those of the data sets'
own releases; docs/data.md says where the files go.
"""
