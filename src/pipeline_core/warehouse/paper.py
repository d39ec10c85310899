"""The figures of the paper (arXiv 2512.19115), every number as printed, one a row of ``paper_values.csv``.

Three things are added to what is printed. Models have one name each, where print has "Qwen2-VL-7B-Instruct" beside
"Qwen2-VL-7B". Data sets have their task (``MSCOCO image->text``), which Tables 5 and 8 and Figure 1 leave out: that
under which Table 3 has their numbers. Table 4 names no metric; its ReAlign column is that of Table 3, R@5.

Misprints are kept, each with the reason in its column ``misprint``, and enter no average; what to compare with is
Table 3. Two that are not in the file: another place of the paper has 14.94 for the R@5 of Qwen3-VL with ReAlign on
CIRR, which is 15.94 in Tables 3 and 8; and the gain printed for Qwen2-VL on FashionIQ is not 5.03, as it is by Table 3.
"""

from pathlib import Path

import polars as pl

PAPER_VALUES = Path(__file__).with_name("paper_values.csv")


def paper_values() -> pl.DataFrame:
    """Return every number of the paper's tables and figures, one a row.

    Columns as in table ``paper_values``: item, model, dataset, setting, quantity, value, misprint. Recalls and the
    shares of Figure 3 are percentages, overlaps are shares, times and memory have their unit in the quantity.
    """
    printed = pl.read_csv(PAPER_VALUES, empty_string_is_null=False)
    return printed.with_columns(misprint=pl.col("misprint").replace("", None))
