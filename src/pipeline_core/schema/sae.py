"""Tables of sparse autoencoders: training log, codes, reconstruction."""

import pyarrow as pa

from pipeline_core.schema.model import (
    DOUBLE,
    INT,
    PROMPT,
    REP,
    SAE,
    SAMPLE,
    SMALL,
    STRING,
    Table,
    column,
    nullable,
    volatile,
)

TABLES: tuple[Table, ...] = (
    Table(
        "sae_training",
        "sae",
        "Training log of a sparse autoencoder.",
        ("sae_id", "step"),
        (
            SAE,
            column("step", SMALL, "optimiser step, from 1"),
            column("epoch", SMALL, "pass over the tokens, from 1"),
            column("loss", DOUBLE, "mean squared error + penalty * mean |z|"),
            column("fvu", DOUBLE, "fraction of variance unexplained, against the mean vector of the training data"),
            column("l0", DOUBLE, "mean number of positive codes a vector"),
            column("dead_share", DOUBLE, "share of features that have not been positive during the last epoch"),
            column("learning_rate", DOUBLE, "optimiser's learning rate"),
            volatile("tokens_per_second", DOUBLE, "vectors trained on a second"),
        ),
    ),
    Table(
        "sae_data",
        "sae",
        "What a sparse autoencoder was trained on, and how it does on what it has not seen of other data.",
        ("sae_id",),
        (
            SAE,
            nullable("trained_on", STRING, "the other data set; NULL: the one analysed"),
            column("left_out", STRING, "roles of tokens that were left out; '' if none"),
            column("n_samples", INT, "samples under an instruction that it was trained on"),
            column("n_tokens", INT, "vectors trained on"),
            column("held_out_tokens", INT, "vectors of the validation split of the other data; 0 for those analysed"),
            nullable("held_out_fvu", DOUBLE, "fraction of their variance unexplained, against their mean vector"),
            nullable("held_out_l0", DOUBLE, "their mean number of positive codes"),
        ),
    ),
    Table(
        "codes",
        "codes",
        "Sparse codes; only positive values.",
        ("sae_id", "rep_id", "level", "sample_id", "prompt_id"),
        (
            SAE,
            REP,
            column("level", STRING, "pooled: code of the embedding"),
            SAMPLE,
            PROMPT,
            column("features", pa.list_(pa.uint32()), "feature ids, ascending"),
            column("values", pa.list_(pa.float16()), "their codes, > 0"),
        ),
        version=9,
    ),
    Table(
        "reconstruction",
        "codes",
        "How well the token-trained SAE reconstructs embeddings.",
        ("sae_id", "rep_id", "modality"),
        (
            SAE,
            REP,
            column("modality", STRING, "image | text | image_text | all"),
            column("n_vectors", INT, "embeddings encoded"),
            column("fvu", DOUBLE, "sum of squared errors / sum of squared distances to the mean embedding"),
            column("cosine", DOUBLE, "mean cosine of embedding and reconstruction"),
            column("l0", DOUBLE, "mean number of positive codes"),
        ),
    ),
)
