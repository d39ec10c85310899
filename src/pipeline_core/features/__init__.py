"""Feature statistics on sparse codes: energy, modality, bridge, attribution, overlap, examples."""
