"""A repetition's data set: that of the analysis with its held-out groups drawn anew."""
