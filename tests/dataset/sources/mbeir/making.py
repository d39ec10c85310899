"""A small M-BEIR in the files of UniIR: captions and pictures of MSCOCO's kind, composed queries of CIRR's kind."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.dataset.sources.folder.making import draw, write_lines

SPLITS = {"train": range(12), "val": range(12, 16), "test": range(16, 24)}
CAPTIONS = 2
"""Captions of each picture."""

INSTRUCTIONS = (
    "query_modality\tcand_modality\tdataset_name\tdataset_id\tprompt_1\tprompt_2\n"
    "text\timage\tMSCOCO\t9\tFind me an everyday image that matches the given caption.\tother\n"
    "image\ttext\tMSCOCO\t9\tFind an image caption describing the following everyday image.\tother\n"
    "image,text\timage\tCIRR\t8\tRetrieve a day-to-day image that aligns with the modification.\tother\n"
)


def write_mbeir(root: Path) -> Path:
    """Write the tasks mscoco_task0 (text to image), mscoco_task3 (image to text) and cirr_task7 (both to image)."""
    (root / "instructions").mkdir(parents=True)
    (root / "instructions" / "query_instructions.tsv").write_text(INSTRUCTIONS)
    for split, pictures in SPLITS.items():
        images = [_candidate(9, n, "image", img_path=_picture(root, n)) for n in pictures]
        texts = [
            _candidate(9, 1000 + CAPTIONS * n + c, "text", txt=f"caption {c} of picture {n}")
            for n in pictures
            for c in range(CAPTIONS)
        ]
        captions = [
            _query(9, 100 + CAPTIONS * n + c, "text", [f"9:{n}"], query_txt=f"caption {c} of picture {n}")
            for n in pictures
            for c in range(CAPTIONS)
        ]
        shown = [
            _query(
                9,
                500 + n,
                "image",
                [f"9:{1000 + CAPTIONS * n + c}" for c in range(CAPTIONS)],
                query_img_path=_picture(root, n),
            )
            for n in pictures
        ]
        edits = [
            _query(
                8,
                n,
                "image,text",
                [f"8:{other}"],
                [f"8:{n}"],
                query_txt=f"make it {other}",
                query_img_path=_picture(root, n),
            )
            for n, other in zip(pictures, (*pictures[1:], pictures[0]), strict=True)
        ]
        looks = [_candidate(8, n, "image", img_path=_picture(root, n)) for n in pictures]
        write_task(root, "mscoco_task0", split, captions, images)
        write_task(root, "mscoco_task3", split, shown, texts)
        write_task(root, "cirr_task7", split, edits, looks)
        write_lines(root / "cand_pool" / "global" / f"mbeir_union_{split}_cand_pool.jsonl", [*images, *texts, *looks])
    return root


def write_task(
    root: Path,
    task: str,
    split: str,
    queries: Sequence[Mapping[str, object]],
    candidates: Sequence[Mapping[str, object]],
) -> None:
    """Write queries, their judgements in UniIR's five columns, and the pool."""
    write_lines(root / "query" / split / f"mbeir_{task}_{split}.jsonl", queries)
    write_lines(root / "cand_pool" / "local" / f"mbeir_{task}_{split}_cand_pool.jsonl", candidates)
    (root / "qrels" / split).mkdir(parents=True, exist_ok=True)
    judged = [f"{query['qid']} 0 {did} 1 {query['task_id']}\n" for query in queries for did in query["pos_cand_list"]]
    (root / "qrels" / split / f"mbeir_{task}_{split}_qrels.txt").write_text("".join(judged))


def _picture(root: Path, number: int) -> str:
    return draw(root, f"mbeir_images/{number:03d}.png", number)


def _query(
    source: int, number: int, modality: str, right: Sequence[str], hard: Sequence[str] = (), **values: object
) -> dict[str, object]:
    empty = {"query_txt": None, "query_img_path": None, "query_src_content": None}
    told = {"qid": f"{source}:{number}", "query_modality": modality, "task_id": 0}
    return empty | told | {"pos_cand_list": [*right], "neg_cand_list": [*hard]} | values


def _candidate(source: int, number: int, modality: str, **values: object) -> dict[str, object]:
    empty = {"txt": None, "img_path": None, "src_content": None}
    return empty | {"did": f"{source}:{number}", "modality": modality} | values
