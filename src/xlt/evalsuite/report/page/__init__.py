"""`xlt report`: results folders as one page, or as tables in other formats.

May import `data`, `evalsuite.report`; never writes into a folder that it reads.
"""
