"""Rivals of winners-out: presets of the multiple-instance localizer, each used in the same three ways.

On a world that no table uses (seed 100), each method, winners-out among them, has three trials; the best one is the
method's row when methods are compared.
"""

from collections.abc import Mapping

from whenabouts.config import as_table
from whenabouts.localizers.multiple_instance_settings import MultipleInstanceSettings as Instances

Changes = Mapping[str, object]
VALIDATION_SEED = 100
WINNERS_OUT = "winners-out, two rounds"
PRESETS: Mapping[str, Instances] = {
    "UntrimmedNet, soft selection": Instances.untrimmed_soft(),
    "UntrimmedNet, hard selection": Instances.untrimmed_hard(),
    "STPN": Instances.stpn(),
    "Hide-and-Seek": Instances.hide_and_seek(),
    "top-k multiple-instance learning": Instances.top_k(),
    "ours: multiple-instance with attention": Instances(),
}
SETTINGS: Mapping[str, Changes] = {name: as_table(preset) for name, preset in PRESETS.items()}
USES: Mapping[str, Changes] = {
    "contrast": {},
    "contrast and video score": {"video_weight": 0.25},
    "union": {"proposals": "union"},
}
WINNERS_OUT_USES: Mapping[str, Changes] = {
    "six steps": {},
    "four steps": {"test_steps": 4},
    "contrast": {"proposals": "contrast"},
}
