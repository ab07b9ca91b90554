"""Rivals of winners-out: presets of the multiple-instance localizer, each used in the same four ways.

On a world that no table uses (seed 100), each rival has four trials and winners-out five; the best one is the method's
row when methods are compared.
"""

from collections.abc import Mapping

from whenabouts.config import as_table
from whenabouts.localizers.multiple_instance_settings import MultipleInstanceSettings as Instances

Changes = Mapping[str, object]
VALIDATION_SEED = 100
WINNERS_OUT, OURS = "winners-out, two rounds", "ours: multiple-instance with own labels"
ATTENDED = "ours: multiple-instance with attention"  # The defaults until there were own labels.
PLAIN: Changes = {"class_threshold": 0.05, "suppression": "hard", "sigma": 0.3, "video_weight": 0.0}
PRESETS: Mapping[str, Instances] = {
    "UntrimmedNet, soft selection": Instances.untrimmed_soft(**PLAIN),
    "UntrimmedNet, hard selection": Instances.untrimmed_hard(**PLAIN),
    "STPN": Instances.stpn(**PLAIN),
    "Hide-and-Seek": Instances.hide_and_seek(**PLAIN),
    "top-k multiple-instance learning": Instances.top_k(**PLAIN),
    ATTENDED: Instances.attended(**PLAIN),
    OURS: Instances(),
}
SETTINGS: Mapping[str, Changes] = {name: as_table(preset) for name, preset in PRESETS.items()}
# The last way is how our own was read until it learned from own labels, chosen on worlds of seeds 100 and 101.
_WAYS: Mapping[str, Changes] = {
    "contrast": {},
    "contrast and video score": {"video_weight": 0.25},
    "union": {"proposals": "union"},
    "soft suppression, classes above 0.2": {
        "class_threshold": 0.2, "suppression": "soft", "sigma": 0.6, "video_weight": 1.0},
}  # fmt: skip
_OF_WINNERS_OUT: Mapping[str, Changes] = {
    "six steps": {},
    "ten steps": {"test_steps": 10},
    "contrast": {"proposals": "contrast"},
    "six steps, classes above 0.2": {"class_threshold": 0.2},
    "ten steps, classes above 0.2": {"test_steps": 10, "class_threshold": 0.2},
}


def ways_of(training: str) -> Mapping[str, Changes]:
    """The ways in which a method is used."""
    if training not in PRESETS:
        return _OF_WINNERS_OUT
    if training == OURS:
        return {"by default": {}}
    # Said outright, for these models may be read as earlier versions read them.
    return {way: {"scores": "logits", **use} for way, use in _WAYS.items()} if training == ATTENDED else _WAYS
