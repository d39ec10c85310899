"""Tables of the hooked pass: representations, embeddings, token states."""

import pyarrow as pa

from pipeline_core.schema.model import BOOL, FLOAT, MODEL, PROMPT, REP, SAMPLE, SMALL, STRING, Table, column, nullable

TABLES: tuple[Table, ...] = (
    Table(
        "representations",
        "activations",
        "What a vector is: model, layer, norm, pooling, mask.",
        ("rep_id",),
        (
            REP,
            column("model", STRING, "model name"),
            column("layer", SMALL, "0 is the embedding layer, the last is after the final norm; -1 for dual encoders"),
            column(
                "norm_position",
                STRING,
                "raw | final_norm: whether the model's final norm is applied; 'model' for dual encoders",
            ),
            column("pooling", STRING, "mean | last | max | min; 'model' for dual encoders"),
            column("mask", STRING, "tokens pooled: all | no_image | no_prompt | content"),
            column("attention_kind", STRING, "what a token could see: causal | picture | prefix | bidirectional"),
            column("attention", STRING, "implementation that ran: sdpa | eager, also where sdpa was asked for in vain"),
            column(
                "at_analysis_layer", BOOL, "its layer is the one whose token states train SAEs; true for dual encoders"
            ),
        ),
    ),
    Table(
        "embeddings",
        "activations",
        "Pooled vectors, raw (unnormalised); sharded.",
        ("rep_id", "sample_id", "prompt_id"),
        (
            REP,
            SAMPLE,
            PROMPT,
            column("n_tokens", SMALL, "tokens pooled"),
            column(
                "vector", pa.list_(pa.float32()), "float32 (float16 as kept, by activations.precision) of its width"
            ),
        ),
    ),
    Table(
        "tokens",
        "activations",
        "Token states of the SAE layer, train split; sharded.",
        ("sample_id", "prompt_id", "token_index"),
        (
            SAMPLE,
            PROMPT,
            column("token_index", SMALL, "position in the sequence, padding not counted"),
            column("token_role", STRING, "image | text | prompt | template | system, the turn before the user's"),
            column("vector", pa.list_(pa.float16()), "state divided by scale, float16"),
            column("scale", FLOAT, "power of two that restores the state: 1 unless the shard held states beyond 3e4"),
        ),
    ),
    Table(
        "long_texts",
        "activations",
        "Texts as long as a model takes, or longer: the ends of those were cut off (the view cut_texts); sharded.",
        ("sample_id", "prompt_id"),
        (
            MODEL,
            SAMPLE,
            PROMPT,
            column("n_tokens", SMALL, "tokens of the prompt, those of a picture left out"),
            column("n_kept", SMALL, "those of them that the model was given: as many, if nothing was cut"),
            column("kept", STRING, "digest of the words' tokens that were given: equal where the words are"),
        ),
    ),
    Table(
        "refused",
        "activations",
        "Samples that a model could not embed: as queries they are misses, as candidates they are in no list; sharded.",
        ("sample_id", "prompt_id"),
        (
            MODEL,
            SAMPLE,
            PROMPT,
            column("fault", STRING, "picture: it cannot be decoded | input: the model's processor | memory: too large"),
            column("reason", STRING, "why it was refused"),
            nullable("width", SMALL, "picture width, pixels; NULL without a picture that can be decoded"),
            nullable("height", SMALL, "picture height, pixels"),
            nullable("n_tokens", SMALL, "tokens that it would have; NULL where they were not counted"),
        ),
    ),
)
