"""The command ``lens bench``: how fast this machine is, measured once and kept for plans."""

from flows import environment
from flows.options import SetOption, StoreOption
from flows.terminal import err, out, print_table
from flows.units import size


def bench(settings: SetOption = None, store: StoreOption = None) -> None:
    """Measure in about two minutes how fast this machine is, and keep it: [bold]--plan[/bold] estimates by it.

    Device and threads are those of placement: [bold]lens bench --set placement.threads=8[/bold]
    """
    from pipeline_core.config import load_config
    from pipeline_core.planner.bench import measure_rates
    from pipeline_core.planner.rates import check_kept, keep_rates

    placement = load_config(settings=(*(settings or ()),)).placement
    check_kept(placement)
    with err.status("product") as status:
        rates = measure_rates(placement, store or environment.default_store(), tell=status.update)
    print_table(
        ["what", "rate"],
        [
            ("matrix product", f"{rates.flops / 1e9:.3g} GFLOP/s"),
            ("extraction", f"{rates.extraction / 1e9:.3g} GFLOP/s, by two operations a weight and token"),
            ("training step", f"{rates.training / 1e9:.3g} GFLOP/s, by the encoder's product alone"),
            ("disk, written and read", f"{size(rates.disk)}/s"),
            ("memory beside weights", size(rates.libraries)),
        ],
    )
    out.print(f"Kept in {keep_rates(rates, placement)}", markup=False, highlight=False)
