from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pipeline_core.dataset.splits import SPLITS, Group, assign_splits, stable_order

groups = st.lists(
    st.builds(Group, st.text(min_size=1, max_size=5), st.sampled_from("ab"), st.integers(1, 30)),
    unique_by=lambda group: group.name,
    max_size=60,
)


@given(groups, st.integers(0, 5), st.randoms())
def test_every_group_has_one_split_whatever_the_order(drawn, seed, random):
    splits = assign_splits(drawn, seed)
    assert splits.keys() == {group.name for group in drawn}
    assert set(splits.values()) <= set(SPLITS)
    shuffled = random.sample(drawn, len(drawn))
    assert assign_splits(shuffled, seed) == splits


@given(groups, st.integers(1, 1000))
def test_a_seed_moves_support_and_validation_only(drawn, seed):
    first, other = assign_splits(drawn, 0), assign_splits(drawn, seed)
    for name, split in first.items():
        if split in ("train", "test"):
            assert other[name] == split
        else:
            assert other[name] in ("support", "validation")


def test_shares_hold_in_every_stratum():
    drawn = [Group(f"{stratum}{i}", stratum, 1 + i % 3) for stratum in "xy" for i in range(400)]
    splits = assign_splits(drawn, 3)
    for stratum in "xy":
        items = Counter()
        for group in drawn:
            items[splits[group.name]] += group.size if group.stratum == stratum else 0
        total = items.total()
        for split, share in {"train": 0.6, "support": 0.1, "validation": 0.1, "test": 0.2}.items():
            assert abs(items[split] / total - share) < 0.01


def test_another_seed_gives_another_support_split():
    drawn = [Group(str(i), "", 1) for i in range(100)]
    assert assign_splits(drawn, 0) != assign_splits(drawn, 1)


def test_the_order_is_the_same_on_every_machine():
    assert stable_order(0, "1f44b") == "87ebcf01c2f455c91538b4f377ee710f950203f3ec482cd394df93f95983d0db"
