"""The figures of the paper (arXiv 2512.19115), every number as printed, one a row of ``paper_values.csv``.

Three things are added to what is printed. Models have one name each, where print has "Qwen2-VL-7B-Instruct" beside
"Qwen2-VL-7B". Data sets have their task (``MSCOCO image->text``), which Tables 5 and 8 and Figure 1 leave out: that
under which Table 3 has their numbers. Table 4 names no metric; its ReAlign column is that of Table 3, R@5.

Misprints are kept. Those known, each to be read with Table 3 in mind:

- PaliGemma2 with ReAlign on CIRR: R@5 is 15.48 in Table 3 and 30.66 in Table 8, which repeats its row of NIGHTS.
- Qwen3-VL with ReAlign on CIRR: R@5 is 15.94 in Tables 3 and 8, and 14.94 in another place of the paper.
- Chameleon without ReAlign on CIRR: R@5 is 7.19 in Table 3 and 2.7 in Figure 1.
- Chameleon without ReAlign on MSCOCO image->text: R@5 is 9.18 in Table 3 and 7.58 in Table 2.
- Qwen2-VL and Qwen3-VL without ReAlign on NIGHTS: R@5 is 25.8 and 25.14 in Table 3, 22.8 and 20.14 in Table 5.
- Qwen2-VL without ReAlign on MSCOCO image->text: R@1 is 5.60 in Table 2 and 5.90 in Table 5.
- Table 4 puts OVEN under task 7, which has no OVEN; its ReAlign value is that of task 8 in Table 3.
- The gain printed for Qwen2-VL on FashionIQ is not 5.03, as it is by Table 3; gains are not in the file.
"""

from pathlib import Path

import polars as pl

PAPER_VALUES = Path(__file__).with_name("paper_values.csv")


def paper_values() -> pl.DataFrame:
    """Return every number of the paper's tables and figures, one a row.

    Columns as in table ``paper_values``: item, model, dataset, setting, quantity, value. Recalls and the shares of
    Figure 3 are percentages, overlaps are shares, times and memory have their unit in the quantity.
    """
    return pl.read_csv(PAPER_VALUES, empty_string_is_null=False)
