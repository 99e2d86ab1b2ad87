"""What scores can tell: intervals, paired tests, corrections, effects that could be seen.

Everything works on sums of counts per cluster of items and needs numpy only. May import
`core.errors`.
"""
